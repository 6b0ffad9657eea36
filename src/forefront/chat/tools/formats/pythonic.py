"""Calls as Python writes them: `[f(a=1), g(b="x")]`, with or without markers around the list.

Llama 4 and 3.2, LFM2 (`<|tool_call_start|>[…]<|tool_call_end|>`). Calls on lines: Gemma 3 (a fenced block
```` ```tool_code ````), OLMo 3 (`<function_calls>`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any, ClassVar

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.argument_grammar import FREE_NAME, escape, json_value, parameters_schema, sequence
from forefront.chat.tools.argument_schema import fit_to_schema, properties, types
from forefront.chat.tools.call_cursor import NotACallError
from forefront.chat.tools.formats.literals import LiteralReader, ValueTextError
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import LarkRules, PastCall, ToolFormat, compact, literal
from forefront.wire.completions.tools import Tool

_QUOTES = ('"', "'")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonicFormat(ToolFormat):
    """A list after a marker. A call is shown when it is complete, since its values have to be turned into JSON."""

    closings: tuple[str, ...] = ("]",)
    more: ClassVar[str] = ","

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`."""
        char = yield from reader.skip_whitespace(char)
        if char == "[" and (marker or self.bare):
            char = yield from reader.expect("[", char)
        name, char = yield from reader.head("(", char)
        return (yield from self.finish(reader, name.strip(), char))

    def finish(self, reader: JsonCallParser, name: str, char: str) -> TextReading[str]:
        """Reads the arguments of the call `name`, from the bracket `char` on."""
        reader.name(name, char)
        text, char = yield from reader.balanced("(", _QUOTES, escapes=True)
        try:
            found = _arguments(text, reader.schema)
        except ValueTextError:
            raise NotACallError(char) from None
        reader.take(compact(found))
        return char

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        if self.bare:
            return f"[{', '.join(_call(*call) for call in calls)}]"
        return f"{self.openings[0]}[{', '.join(_call(*call) for call in calls)}{''.join(self.closings)}"

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`."""

        return f"{literal(tool.function.name + '(')} {self.arguments(tool, rules)}"

    def arguments(self, tool: Tool, rules: LarkRules) -> str:
        """Lark expression for what follows the opening bracket of a call."""

        def argument(key: str, part: Any) -> str:
            return f"{literal(key + '=')} {_value(part, tool, key)}"

        free = f'{FREE_NAME} "=" {json_value({}, tool)}'
        return f'{sequence(parameters_schema(tool), argument, free, literal(", "), rules)} ")"'

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        more = ' (", " tool)*' if parallel else ""
        after = "".join(f" {self.marker(text)}" for text in self.closings[1:])
        return f'"[" tool{more} "]"{after}'


@dataclass(frozen=True, slots=True, kw_only=True)
class BarePythonicFormat(PythonicFormat):
    """A list at the beginning of the answer, without a marker."""

    openings: tuple[str, ...] = ()
    bare: ClassVar[str] = "["

    def lead(self) -> str:
        """See `ToolFormat.lead`."""
        return ""

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`. The list and the first name are one lexeme, apart from other text."""
        arguments = rules.rule(self.arguments(tool, rules))
        rules.choice("later", f"{literal(f', {tool.function.name}(')} {arguments}")
        return f"/\\[{escape(tool.function.name)}\\(/ {arguments}"

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        return f'tool{" later*" if parallel else ""} "]"'

    def free_text(self, tools: Sequence[Tool]) -> str | None:
        """See `ToolFormat.free_text`."""
        names = "|".join(escape(tool.function.name) for tool in tools)
        return rf"/(?s:.*)/ & ~/\s*\[\s*({names})\s*\((?s:.*)/"


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedPythonicFormat(PythonicFormat):
    """A block with a call on each line, at times within `print(…)`. `fence` ends it."""

    openings: tuple[str, ...] = ("```tool_code",)
    closings: tuple[str, ...] = ()
    fence: str = "```"
    more: ClassVar[str] = ascii_letters + "_"

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`."""
        char = yield from reader.skip_whitespace(char)
        name, char = yield from reader.head("(", char)
        printed = name.strip() == "print"
        if printed:
            char = yield from reader.expect("(", char)
            name, char = yield from reader.head("(", char)
        char = yield from self.finish(reader, name.strip(), char)
        if printed:
            _, char = yield from reader.one_of((")",), char)
        while char.isspace():
            char = yield None
        return (yield from reader.one_of((self.fence,), char))[1] if char == self.fence[0] else char

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        return "\n".join([self.openings[0], *(_call(*call) for call in calls), self.fence])

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        more = ' ("\\n" tool)*' if parallel else ""
        return f'"\\n" tool{more} "\\n" {self.marker(self.fence)}'


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={_shown(value)}' for key, value in arguments.items())})"


def _arguments(text: str, schema: Any) -> dict[str, Any]:
    """The arguments in `(a=1, b="x")`, as the schema has them. Raises `ValueTextError`."""
    values = LiteralReader(text)
    values.expect("(")
    parts = properties(schema)
    found = {key: fit_to_schema(value, parts.get(key), schema) for key, value in values.members(")", "=")}
    if values.peek()[0]:
        raise ValueTextError
    return found


def _value(part: Any, tool: Tool, key: str) -> str:
    """Lark expression for a value: Python's words, everything else as in JSON."""
    match sorted(types(part, parameters_schema(tool)) or ()):
        case ["boolean"] if not isinstance(part, dict) or not part.keys() & {"enum", "const"}:
            return '("True" | "False")'
        case ["null"]:
            return '"None"'
    return json_value(part, tool, key)


def _shown(value: Any) -> str:
    """A value as Python writes it, strings in double quotes."""
    match value:
        case None | bool():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{compact(key)}: {_shown(entry)}" for key, entry in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_shown, value)) + "]"
    return compact(value)


def is_pythonic(template: str) -> bool:
    """Whether a chat template requests calls in Python syntax."""
    return bool(re.search(r"\[\w+\(\w+\s*=", template))
