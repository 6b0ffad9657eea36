"""Calls as Python writes them: `[f(a=1), g(b="x")]`, with or without markers around the list.

Llama 4 and 3.2, LFM2 (`<|tool_call_start|>[…]<|tool_call_end|>`), Gemma 3 (a fenced block ```` ```tool_code ````).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from forefront.chat.marker import Reading
from forefront.chat.tools.arguments import FREE_NAME, escape, json_value, schema_of, sequence
from forefront.chat.tools.call_reader import CallReader, NotACallError
from forefront.chat.tools.schema import fit, properties, types
from forefront.chat.tools.tool_format import PastCall, ToolFormat, compact, literal
from forefront.chat.tools.values import Values, ValueTextError
from forefront.wire.tools import Tool

_QUOTES = ('"', "'")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonicFormat(ToolFormat):
    """A list behind a marker. A call is shown when it is complete, since its values have to be turned into JSON.

    `gap` stands around the list; `fenced` calls stand in a block of their own, without the list's brackets.
    """

    closings: tuple[str, ...] = ("]",)
    gap: str = ""
    fenced: bool = False
    more: ClassVar[str] = ","

    def read(self, reader: CallReader, marker: str, char: str) -> Reading[str]:
        """See `ToolFormat.read`."""
        char = yield from reader.white(char)
        if char == "[" and (marker or self.bare):
            char = yield from reader.expect("[", char)
        name, char = yield from reader.head("(", char)
        name = name.strip()
        if name == "print":  # Gemma prints what a call returns
            char = yield from reader.expect("(", char)
            name, char = yield from reader.head("(", char)
            name = name.strip()
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
        made = [f"{name}({', '.join(f'{k}={_shown(v)}' for k, v in arguments.items())})" for name, arguments in calls]
        if self.fenced:
            return f"{self.openings[0]}\n" + "\n".join(made) + f"\n{self.closings[-1]}"
        marked = [self.openings[0], *self.closings[1:]] if self.openings and not self.bare else ["", ""]
        return f"{marked[0]}[{', '.join(made)}]{''.join(marked[1:])}"

    def rule(self, tool: Tool) -> str:
        """See `ToolFormat.rule`."""

        def argument(key: str, part: Any) -> str:
            return f"{literal(key + '=')} {_value(part, tool)}"

        free = f'{FREE_NAME} "=" {json_value({}, tool)}'
        return f'{literal(tool.function.name + "(")} {sequence(schema_of(tool), argument, free, literal(", "))} ")"'

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        if self.fenced:
            more = ' ("\\n" tool)*' if parallel else ""
            return f'"\\n" tool{more} "\\n" {self.marker(self.closings[-1])}'
        more = ' (", " tool)*' if parallel else ""
        behind = "".join(f" {self.marker(text)}" for text in self.closings[1:])
        return f'"[" tool{more} "]"{behind}'


@dataclass(frozen=True, slots=True, kw_only=True)
class BarePythonicFormat(PythonicFormat):
    """A list at the beginning of the answer, without a marker."""

    openings: tuple[str, ...] = ()
    bare: ClassVar[str] = "["

    def lead(self) -> str:
        """See `ToolFormat.lead`."""
        return ""

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        more = ' (", " tool)*' if parallel else ""
        return f'"[" tool{more} "]"'

    def free_text(self, tools: Sequence[Tool]) -> str | None:
        """See `ToolFormat.free_text`."""
        names = "|".join(escape(tool.function.name) for tool in tools)
        return rf"/(?s:.*)/ & ~/\s*\[\s*({names})\s*\((?s:.*)/"


def _arguments(text: str, schema: Any) -> dict[str, Any]:
    """The arguments in `(a=1, b="x")`, as the schema has them. Raises `ValueTextError`."""
    values = Values(text)
    values.expect("(")
    parts = properties(schema)
    found = {key: fit(value, parts.get(key), schema) for key, value in values.members(")", "=")}
    if values.peek()[0]:
        raise ValueTextError
    return found


def _value(part: Any, tool: Tool) -> str:
    """Lark expression for a value: Python's words, everything else as in JSON."""
    match sorted(types(part, schema_of(tool)) or ()):
        case ["boolean"] if not isinstance(part, dict) or not part.keys() & {"enum", "const"}:
            return '("True" | "False")'
        case ["null"]:
            return '"None"'
    return json_value(part, tool)


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
    """Whether a chat template asks for calls as Python writes them."""
    return bool(re.search(r"\[\w+\(\w+\s*=", template))
