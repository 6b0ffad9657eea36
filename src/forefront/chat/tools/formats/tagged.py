"""Calls with each argument between its own tags:

    <tool_call>⏎<function=NAME>⏎<parameter=KEY>⏎VALUE⏎</parameter>⏎</function>⏎</tool_call>

Qwen3-Coder and Seed-OSS; with other tags GLM 4.5, MiniMax M2, MiniCPM 5, Hunyuan 3, Solar Open 2 and DeepSeek V3.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from forefront.chat.output.marker_scanner import TextReading, until
from forefront.chat.tools.argument_grammar import FREE_NAME, free_text, parameters_schema, raw_text, sequence
from forefront.chat.tools.argument_schema import enumerated, from_text, properties, types
from forefront.chat.tools.call_cursor import NotACallError
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import LarkRules, PastCall, ToolFormat, compact, literal
from forefront.wire.completions.tools import Tool

_CDATA: Final = ("<![CDATA[", "]]>")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedFormat(ToolFormat):
    """`call`, the name and `named` begin a call; `key`, a key and `keyed`, with `value` before its value, an argument,
    which `valued` ends; `end` ends the call. Before a value that is no string, `keyed_json` takes the place of `keyed`.
    `gap` separates all of them, `trim` surrounds a value. `together`: several calls share the opening and the closing.
    `cdata`: a string may be a CDATA section.

    A string is shown while it is written, any other value when it is complete.
    """

    call: str
    named: str
    key: str
    keyed: str
    keyed_json: str = ""
    value: str = ""
    valued: str
    end: str
    gap: str = "\n"
    trim: str = ""
    together: bool = False
    cdata: bool = False

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`."""
        char = yield from reader.skip_whitespace(char)
        if self.call and marker != self.call:
            _, char = yield from reader.one_of((self.call,), char)
        name, char = yield from reader.head(self.named[0] + ("<" if self.named == "\n" else ""), char)
        reader.name(name.strip(), char)
        if char == self.named[0]:
            _, char = yield from reader.one_of((self.named,), char)
        parts = properties(reader.schema)
        first = True
        while True:
            char = yield from reader.skip_whitespace(char)
            found, char = yield from reader.one_of((self.key, self.end), char)
            if found == self.end:
                reader.take("{}" if first else "}")
                return char
            key, char = yield from reader.head(self.keyed[0], char)
            keyed, char = yield from reader.one_of((self.keyed, self.keyed_json or self.keyed), char)
            if self.value:
                char = yield from reader.skip_whitespace(char)
                _, char = yield from reader.one_of((self.value,), char)
            reader.take(("{" if first else ", ") + compact(key.strip()) + ": ")
            first = False
            unknown = {"type": "string"} if self.keyed_json and keyed == self.keyed else None
            char = yield from self._argument(reader, parts.get(key.strip(), unknown), char)

    def _argument(self, reader: JsonCallParser, part: Any, char: str) -> TextReading[str]:
        """Reads a value and the tag after it."""
        value = _Value(reader, part, self.trim)
        if not value.string:
            while char.isspace():
                value.take(char)
                char = yield None
            if char and char in "[{":  # a string in the value may contain the tag
                try:
                    text, char = yield from reader.balanced(char, ('"',), escapes=True)
                except NotACallError as error:
                    value.take(error.unread)
                    value.cut()
                    raise NotACallError(error.char) from None
                value.take(text)
        found = yield from self._text(value, char)
        if found != self.valued:
            value.take(found)
            value.cut()
            raise NotACallError("")
        value.end()
        return (yield None)

    def _text(self, value: "_Value", char: str) -> TextReading[str]:
        """Reads a value up to the tag after it; returns the tag, else the end of the answer."""
        opening, closing = _CDATA
        if not self.cdata or char != "<":
            return (yield from until((self.valued,), char, value.take))
        found = yield from until((opening, self.valued), char, value.take)
        if found != opening:
            return found
        if value.begun:
            value.take(opening)
        else:
            found = yield from until((closing,), (yield None), value.take, runs=False)
            if found != closing:
                return found
        return (yield from until((self.valued,), (yield None), value.take))

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        if self.together:
            made = "".join(self._written(*call) for call in calls)
            return self.openings[0] + made + self._closing()
        return self.gap.join(self.openings[0] + self._written(*call) + self._closing() for call in calls)

    @property
    def _head(self) -> str:
        """The text between the opening and the name."""
        return (self.gap if self.call else "") + self.call if self.call != self.openings[0] else ""

    def _written(self, name: str, arguments: Mapping[str, Any]) -> str:
        text = self._head + name + self.named
        text += self.gap if self.named != "\n" else ""
        for key, value in arguments.items():
            shown = value if isinstance(value, str) else compact(value)
            inner = f"{self.gap if self.value else ''}{self.value}{self.trim}{shown}{self.trim}"
            keyed = self.keyed if isinstance(value, str) else self.keyed_json or self.keyed
            text += f"{self.key}{key}{keyed}{inner}{self.valued}{self.gap}"
        return text + self.end

    def _closing(self) -> str:
        return self.gap + self.closings[0] if self.closings else ""

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`."""
        gap = literal(self.gap) if self.gap else ""
        end = self.trim + self.valued
        ahead, marker = self._marked(end)
        inner = (self.gap if self.value else "") + self.value + self.trim

        def argument(key: str, part: Any) -> str:
            keyed = self.keyed if _is_text(part, tool) else self.keyed_json or self.keyed
            head = self.marker(self.key + key + keyed + inner)
            return f"{head} {raw_text(part, tool, key, end, rules, marker, ahead=ahead)} {gap}"

        before, after = self.marker(self.key), self.marker(self.keyed + inner)
        free = f"{before} {FREE_NAME} {after} {free_text(end, rules, (), marker, ahead=ahead)} {gap}"
        head = self._head + tool.function.name + self.named
        head += self.gap if self.named != "\n" else ""
        arguments = sequence(parameters_schema(tool), argument, free, "", rules)
        return f"{self.marker(head)} {arguments} {self.marker(self.end)}"

    def _marked(self, end: str) -> tuple[str, str]:
        """The text of `end` before its first control token, and the Lark expression from that on; both empty if it has
        none."""
        place = min((end.index(marker) for marker in self.control if marker in end), default=None)
        return ("", "") if place is None else (end[:place], self.marker(end[place:]))

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        if not self.closings:
            return "tool"
        more = "tool*" if self.together and parallel else ""
        return f"tool {more} {self.marker(self._closing())}"

    def between(self) -> str | None:
        """See `ToolFormat.between`."""
        if self.together:
            return None
        return f"{literal(self.gap)} {self.lead()}" if self.gap else self.lead()


def _is_text(part: Any, tool: Tool) -> bool:
    """Whether a value with the schema `part` is written as it is, and not as JSON."""
    values = enumerated(part, parameters_schema(tool))
    if values is not None:
        return all(isinstance(value, str) for value in values)
    return "string" in (types(part, parameters_schema(tool)) or ())


class _Value:
    """A value on its way to the arguments; `part` is its schema."""

    def __init__(self, reader: JsonCallParser, part: Any, trim: str) -> None:
        self._reader = reader
        self._part = part
        self._trim = trim
        self.string = types(part, reader.schema) == {"string"}
        self.begun = False
        self._held = ""  # a line break that may be the one before the closing tag
        self._parts: list[str] = []

    def take(self, text: str) -> None:
        """More of the value's text."""
        if not self.begun:
            text = text.removeprefix(self._trim) if text else text
            self.begun = True
            if self.string:
                self._reader.take('"')
        if not self.string:
            self._parts.append(text)
            return
        text = self._held + text
        self._held = self._trim if self._trim and text.endswith(self._trim) else ""
        shown = text.removesuffix(self._held) if self._held else text
        if shown:
            self._reader.take(compact(shown)[1:-1])

    def end(self) -> None:
        """The value is complete."""
        self.take("")
        if self.string:
            self._reader.take('"')
            return
        text = "".join(self._parts).removesuffix(self._trim)
        self._reader.take(compact(from_text(text, self._part, self._reader.schema)))

    def cut(self) -> None:
        """The answer ends within the value."""
        self._reader.take(compact(self._held)[1:-1] if self.string else "".join(self._parts))
