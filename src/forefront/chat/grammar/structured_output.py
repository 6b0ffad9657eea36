"""Structured output: from a request to the constraint on its answers."""

import re
from dataclasses import dataclass, replace
from typing import Final

from llguidance.gbnf_to_lark import gbnf_to_lark

from forefront.chat.grammar.compiler import Grammars
from forefront.chat.grammar.grammar_source import GrammarSource, json_schema_source
from forefront.chat.model_format import ModelFormat
from forefront.chat.output.harmony import HarmonyFormat
from forefront.chat.tools.tool_grammar import tool_grammar
from forefront.engine.constraint import ConstraintFactory
from forefront.fairness.tenant import Tenant
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.completions.response_format import Grammar, JsonObjectFormat, JsonSchemaFormat, TextFormat
from forefront.wire.errors import RequestError

_SCHEMA: Final = "response_format.json_schema.schema"
# The text that models write between reasoning and answer.
_GAP: Final = r"/\s{0,3}/"


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The format of an answer, the request field that sets it, and the paths of keywords that are left out."""

    source: GrammarSource
    param: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerConstraint:
    """The constraint of answers to their format (None: none), and the paths of keywords that it does not enforce."""

    start: ConstraintFactory | None = None
    left_out: tuple[str, ...] = ()


class StructuredOutput:
    """Makes the constraints of one model's answers."""

    def __init__(self, grammars: Grammars, model_format: ModelFormat) -> None:
        self._grammars = grammars
        self._format = model_format

    def chat(self, request: ChatRequest, prompt: str) -> AnswerFormat | None:
        """The format of an answer to the rendered `prompt`, None for any text. Takes time that grows with the request.
        Raises `RequestError` (422) for one that cannot be enforced."""
        if (harmony := self._format.harmony) is not None:
            continued = harmony.final in prompt.rpartition("<|start|>")[2]
            return _requested(request) if continued else _in_channels(harmony, request)
        ends = self._format.reasoning_ends(prompt)
        wanted = self._with_tools(request, thought=bool(ends)) if request.active_tools else _requested(request)
        if wanted is None or not ends:
            return wanted
        return replace(wanted, source=_after_reasoning(wanted.source, ends))

    def text(self, request: CompletionRequest) -> AnswerFormat | None:
        """The same for a plain text."""
        return _requested(request)

    async def constraint(self, wanted: AnswerFormat | None, tenant: Tenant) -> AnswerConstraint:
        """The constraint, compiled in `tenant`'s share. Raises `RequestError` (422) for a format that cannot be
        used."""
        if wanted is None:
            return AnswerConstraint()
        compiled = await self._grammars.compile(wanted.source, wanted.param, tenant)
        return AnswerConstraint(compiled, tuple(dict.fromkeys(wanted.left_out + compiled.left_out)))

    def close(self) -> None:
        """End running compilations."""
        self._grammars.close()

    def _with_tools(self, request: ChatRequest, *, thought: bool) -> AnswerFormat:
        wanted = _requested(request)
        free = request.call_mode == "auto"
        if wanted is not None and free:
            return self._calls_or(request, wanted, thought=thought)
        parallel = request.parallel_tool_calls is not False
        grammar = tool_grammar(
            self._format.tools, request.callable_tools, request.call_mode, parallel=parallel, thought=thought
        )
        triggers = (grammar.trigger,) if grammar.trigger else ()
        source = GrammarSource("lark", grammar.lark, triggers, grammar.ends, whole=not free)
        return AnswerFormat(source, "tools", grammar.left_out)

    def _calls_or(self, request: ChatRequest, wanted: AnswerFormat, *, thought: bool) -> AnswerFormat:
        """Calls, or an answer of the requested format."""
        if wanted.source.kind != "json_schema":
            text = f"`{wanted.param}` cannot be combined with tools that the model may call or not: set `tool_choice`."
            raise RequestError("invalid_value", text, param=wanted.param)
        parallel = request.parallel_tool_calls is not False
        calls = tool_grammar(self._format.tools, request.callable_tools, "required", parallel=parallel)
        rules = calls.lark.replace("start:", "called:", 1)
        gap = _GAP if thought else ""
        lark = f"start: {gap} (called | answer)\nanswer: {wanted.source.text}\n{rules}"
        return AnswerFormat(GrammarSource("lark", lark), wanted.param, calls.left_out)


def _requested(request: SampledRequest) -> AnswerFormat | None:
    """The format that a request sets."""
    match request.response_format:
        case JsonObjectFormat():
            return AnswerFormat(json_schema_source({"type": "object"}, _SCHEMA, strict=True), "response_format")
        case JsonSchemaFormat(json_schema=wanted):
            source = json_schema_source(wanted.schema, _SCHEMA, strict=bool(wanted.strict))
            return AnswerFormat(source, _SCHEMA)
        case TextFormat() | None:
            pass
    if request.regex is not None:
        return AnswerFormat(GrammarSource("regex", request.regex), "regex")
    match request.grammar:
        case Grammar(syntax=syntax, definition=definition):
            return AnswerFormat(GrammarSource(syntax, definition), "grammar.definition")
        case str() as text:
            return AnswerFormat(GrammarSource("gbnf" if "::=" in text else "lark", text), "grammar")
    return None


def _in_channels(harmony: HarmonyFormat, request: ChatRequest) -> AnswerFormat | None:
    """The format of a whole answer in harmony's channels."""
    wanted = _requested(request)
    tools, forced = request.callable_tools, request.call_mode != "auto"
    if not tools and wanted is None:
        return None
    forced = forced and bool(tools)
    if forced:
        wanted = None
    lark = harmony.grammar(tools, None if wanted is None else _expression(wanted.source), forced=forced)
    return AnswerFormat(GrammarSource("lark", lark, whole=forced), "tools" if wanted is None else wanted.param)


def _expression(source: GrammarSource) -> str:
    """A format as the body of a Lark rule; its own rules may follow."""
    if source.kind == "json_schema":
        return source.text
    if source.kind == "regex":
        return "/" + source.text.replace("/", "\\/") + "/"
    try:
        lark = gbnf_to_lark(source.text) if source.kind == "gbnf" else source.text
    except Exception as error:  # the GBNF reader raises all kinds
        raise RequestError("invalid_value", f"`grammar` cannot be used: {error}", param="grammar") from None
    return "answer_start\n" + re.sub(r"(?m)^start\b", "answer_start", lark)


def _after_reasoning(source: GrammarSource, ends: tuple[str, ...]) -> GrammarSource:
    """The same format for what follows the reasoning that one of `ends` ends. Optional tool calls stay as they are:
    their trigger comes after the reasoning in any case."""
    if source.triggers:
        return source
    if source.kind == "json_schema":
        return GrammarSource("lark", f"start: {_GAP} answer\nanswer: {source.text}", ends, ends=True)
    if source.kind == "regex":
        return GrammarSource("regex", rf"\s{{0,3}}(?:{source.text})", ends, ends=True)
    return GrammarSource(source.kind, source.text, ends, ends=True)
