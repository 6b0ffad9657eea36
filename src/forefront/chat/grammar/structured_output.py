"""What form an answer must have: from a request to the grammar that binds it."""

import json
import re
from dataclasses import dataclass

import msgspec
from llguidance.gbnf_to_lark import gbnf_to_lark

from forefront.chat.grammar.compiler import Grammars
from forefront.chat.grammar.source import GrammarSource, json_lark
from forefront.chat.model_format import ModelFormat
from forefront.chat.output.harmony import HarmonyFormat
from forefront.chat.tools.tool_grammar import tool_grammar
from forefront.engine.constraint import ConstraintFactory
from forefront.fairness.tenant import Tenant
from forefront.wire.errors import ApiError
from forefront.wire.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.response_format import Grammar, JsonObjectFormat, JsonSchemaFormat, TextFormat
from forefront.wire.tools import NamedToolChoice

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

    def __init__(self, grammars: Grammars, model_format: ModelFormat) -> None:
        self._grammars = grammars
        self._format = model_format

    def chat(self, request: ChatRequest, prompt: str) -> Form | None:
        """The form of an answer to the rendered `prompt`, None for any text. Takes time that grows with the request.
        Raises `ApiError` (422) for one that cannot be kept to."""
        if (harmony := self._format.harmony) is not None:
            continued = harmony.final in prompt.rpartition("<|start|>")[2]
            return _alone(request) if continued else _in_channels(harmony, request)
        ends = self._format.reasoning_ends(prompt)
        form = self._with_tools(request, thought=bool(ends)) if request.active_tools else _alone(request)
        if form is None or not ends:
            return form
        return Form(_behind(form.source, ends), form.param)

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
            self._format.tools, request.active_tools, request.tool_choice, parallel=parallel, thought=thought
        )
        triggers = (grammar.trigger,) if grammar.trigger else ()
        return Form(GrammarSource("lark", grammar.lark, triggers, grammar.ends, grammar.hints), "tools")

    def _calls_or(self, request: ChatRequest, form: GrammarSource, param: str, *, thought: bool) -> GrammarSource:
        """Calls, or an answer of the form that is asked for."""
        if form.kind not in ("json_object", "json_schema"):
            text = f"`{param}` does not go with tools that the model may call or not: set `tool_choice`."
            raise ApiError("invalid_value", text, param=param)
        parallel = request.parallel_tool_calls is not False
        calls = tool_grammar(self._format.tools, request.active_tools, "required", parallel=parallel)
        rules = calls.lark.replace("start:", "called:", 1)
        gap = _GAP if thought else ""
        return GrammarSource(
            "lark", f"start: {gap} (called | answer)\nanswer: {_json(form)}\n{rules}", hints=calls.hints
        )


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


def _in_channels(harmony: HarmonyFormat, request: ChatRequest) -> Form | None:
    """The form of a whole answer in the harmony format."""
    form = _alone(request)
    tools, forced = list(request.active_tools), request.tool_choice not in (None, "auto")
    if tools and isinstance(request.tool_choice, NamedToolChoice):
        tools = [tool for tool in tools if tool.function.name == request.tool_choice.function.name]
    if not tools and form is None:
        return None
    forced = forced and bool(tools)
    if forced:
        form = None
    lark = harmony.grammar(tools, None if form is None else _expression(form.source), forced=forced)
    source = GrammarSource("lark", lark, hints=harmony.hints(forced=forced))
    return Form(source, "tools" if form is None else form.param)


def _expression(form: GrammarSource) -> str:
    """A form as the body of a Lark rule; its own rules may follow."""
    if form.kind in ("json_object", "json_schema"):
        return _json(form)
    if form.kind == "regex":
        return "/" + form.text.replace("/", "\\/") + "/"
    try:
        lark = gbnf_to_lark(form.text) if form.kind == "gbnf" else form.text
    except Exception as error:  # the GBNF reader raises all kinds
        raise ApiError("invalid_value", f"`grammar` cannot be used: {error}", param="grammar") from None
    return "answer_start\n" + re.sub(r"(?m)^start\b", "answer_start", lark)


def _behind(form: GrammarSource, ends: tuple[str, ...]) -> GrammarSource:
    """The same form for what follows the reasoning that one of `ends` ends. Tools that may be called or not need no
    change: their trigger comes when it comes."""
    if form.triggers:
        return form
    if form.kind in ("json_object", "json_schema"):
        return GrammarSource("lark", f"start: {_GAP} answer\nanswer: {_json(form)}", ends, ends=True)
    if form.kind == "regex":
        return GrammarSource("regex", rf"\s{{0,3}}(?:{form.text})", ends, ends=True)
    return GrammarSource(form.kind, form.text, ends, True, form.hints)


def _json(form: GrammarSource) -> str:
    """A form of JSON as an expression of a grammar."""
    return json_lark(json.loads(form.text) if form.text else {"type": "object"})
