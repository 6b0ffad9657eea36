"""What form an answer must have: from a request to the grammar that binds it."""

import json
from dataclasses import dataclass

import msgspec

from forefront.chat.dialect import Dialect
from forefront.chat.grammar import Grammars
from forefront.chat.grammar_source import GrammarSource, json_lark
from forefront.chat.tool_grammar import tool_grammar
from forefront.engine.constraint import ConstraintFactory
from forefront.fairness.tenant import Tenant
from forefront.wire.errors import ApiError
from forefront.wire.formats import Grammar, JsonObjectFormat, JsonSchemaFormat, TextFormat
from forefront.wire.request import ChatRequest, CompletionRequest, SampledRequest

_SCHEMA = "response_format.json_schema.schema"
# What models put between their reasoning and the answer.
_GAP = r"/\s{0,3}/"


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer must be, and the field that says so."""

    source: GrammarSource
    param: str


class Former:
    """Makes the constraints of one model's answers."""

    def __init__(self, grammars: Grammars, dialect: Dialect) -> None:
        self._grammars = grammars
        self._dialect = dialect

    def chat(self, request: ChatRequest, prompt: str) -> Form | None:
        """The form of an answer to the rendered `prompt`, None for any text. Takes time that grows with the request.
        Raises `ApiError` (422) for one that cannot be kept to."""
        end = self._dialect.reasoning_end(prompt)
        form = self._with_tools(request, thought=end is not None) if request.offered else _alone(request)
        if form is None or end is None:
            return form
        return Form(_behind(form.source, end), form.param)

    def text(self, request: CompletionRequest) -> Form | None:
        """The same for a plain text."""
        return _alone(request)

    async def constraint(self, form: Form | None, max_tokens: int, tenant: Tenant) -> ConstraintFactory | None:
        """What holds answers to the form, compiled in `tenant`'s share. Raises `ApiError` (422) for a form that cannot
        be used, or not in so few tokens."""
        if form is None:
            return None
        compiled = await self._grammars.compile(form.source, form.param, tenant)
        compiled.require(max_tokens)
        return compiled.start

    def close(self) -> None:
        """End what compiles."""
        self._grammars.close()

    def _with_tools(self, request: ChatRequest, *, thought: bool) -> Form:
        form = _alone(request)
        free = request.tool_choice in (None, "auto")
        if form is not None and free:
            return Form(self._calls_or(request, form.source, form.param, thought=thought), form.param)
        parallel = request.parallel_tool_calls is not False
        grammar = tool_grammar(
            self._dialect.tools, request.offered, request.tool_choice, parallel=parallel, thought=thought
        )
        triggers = (grammar.trigger,) if grammar.trigger else ()
        return Form(GrammarSource("lark", grammar.lark, triggers, ends=grammar.ends), "tools")

    def _calls_or(self, request: ChatRequest, form: GrammarSource, param: str, *, thought: bool) -> GrammarSource:
        """Calls, or an answer of the form that is asked for."""
        if form.kind not in ("json_object", "json_schema"):
            text = f"`{param}` does not go with tools that the model may call or not: set `tool_choice`."
            raise ApiError("invalid_value", text, param=param)
        parallel = request.parallel_tool_calls is not False
        calls = tool_grammar(self._dialect.tools, request.offered, "required", parallel=parallel).lark
        rules = calls.replace("start:", "called:", 1)
        gap = _GAP if thought else ""
        return GrammarSource("lark", f"start: {gap} (called | answer)\nanswer: {_json(form)}\n{rules}")


def _alone(request: SampledRequest) -> Form | None:
    """The form that a request asks for."""
    match request.response_format:
        case JsonObjectFormat():
            return Form(GrammarSource("json_object"), "response_format")
        case JsonSchemaFormat(json_schema=wanted):
            return Form(GrammarSource("json_schema", msgspec.json.encode(wanted.schema).decode()), _SCHEMA)
        case TextFormat() | None:
            pass
    if request.regex is not None:
        return Form(GrammarSource("regex", request.regex), "regex")
    match request.grammar:
        case Grammar(syntax=syntax, definition=definition):
            return Form(GrammarSource(syntax, definition), "grammar.definition")
        case str() as text:
            return Form(GrammarSource("gbnf" if "::=" in text else "lark", text), "grammar")
    return None


def _behind(form: GrammarSource, end: str) -> GrammarSource:
    """The same form for what follows the reasoning that `end` ends. Tools that may be called or not need no change:
    their trigger comes when it comes."""
    if form.triggers:
        return form
    if form.kind in ("json_object", "json_schema"):
        return GrammarSource("lark", f"start: {_GAP} answer\nanswer: {_json(form)}", (end,), ends=True)
    if form.kind == "regex":
        return GrammarSource("regex", rf"\s{{0,3}}(?:{form.text})", (end,), ends=True)
    return GrammarSource(form.kind, form.text, (end,), ends=True)


def _json(form: GrammarSource) -> str:
    """A form of JSON as an expression of a grammar."""
    return json_lark(json.loads(form.text) if form.text else {"type": "object"})
