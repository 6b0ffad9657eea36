"""Calls that begin with the name, followed by the arguments as JSON: `[TOOL_CALLS]name[ARGS]{…}` of later Mistrals, and
the formats of DeepSeek and Kimi K2."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.argument_grammar import json_arguments
from forefront.chat.tools.call_cursor import NotACallError
from forefront.chat.tools.formats.json_list import JsonListFormat
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import LarkRules, PastCall, ToolFormat, compact, literal
from forefront.wire.completions.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class MistralFormat(JsonListFormat):
    """`[TOOL_CALLS]` before each call where it is `named`, else before the array. Either is read."""

    openings: tuple[str, ...] = ("[TOOL_CALLS]",)
    named: bool = True

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`."""
        char = yield from reader.skip_whitespace(char)
        if not marker or char in ("[", "{"):
            return (yield from JsonListFormat.read(self, reader, marker, char))
        head, char = yield from reader.head("{", char)
        reader.name(head.partition("[ARGS]")[0].partition("[CALL_ID]")[0].strip(), char)
        return (yield from reader.arguments(char))

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        if not self.named:
            return JsonListFormat.write(self, calls)
        return "".join(f"[TOOL_CALLS]{name}[ARGS]{compact(arguments)}" for name, arguments in calls)

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`."""
        if not self.named:
            return JsonListFormat.rule(self, tool, rules)
        identified = f"({self.marker('[CALL_ID]')} /[a-zA-Z0-9]{{9}}/)? " if "[CALL_ID]" in self.control else ""
        return f"{literal(tool.function.name)} {identified}{self.marker('[ARGS]')} {json_arguments(tool)}"

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        return "tool" if self.named else JsonListFormat.block(self, parallel=parallel)

    def between(self) -> str | None:
        """See `ToolFormat.between`."""
        return self.lead() if self.named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionFormat(ToolFormat):
    """A section of calls, each of them `before`, the name, `after`, the arguments, `tail`, `end`.

    `openings` are the section's marker and that of a call without one; `closings` end a call and the section. With one
    of each, calls stand by themselves. `counted` names are `functions.NAME:PLACE`.
    """

    before: str = ""
    after: str
    tail: str = ""
    between_calls: str = ""
    counted: bool = False

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`. The separator after the name must be there."""
        call = self.openings[-1]
        char = yield from reader.skip_whitespace(char)
        if marker != call:
            _, char = yield from reader.one_of((call,), char)
        head, char = yield from reader.head("{", char)
        name, found, _ = head.removeprefix(self.before).partition(self.after.strip())
        if not found:
            raise NotACallError(char)
        if self.counted:
            name = re.sub(r":\d+$", "", name.strip()).removeprefix("functions.")
        reader.name(name.strip(), char)
        char = yield from reader.arguments(char)
        return (yield from reader.tail(self.tail, char))

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        call = self.openings[-1]
        made = [
            f"{call}{self.before}{self._shown(name, place)}{self.after}{compact(arguments)}"
            f"{self._break()}{self.tail}{self.closings[0]}"
            for place, (name, arguments) in enumerate(calls)
        ]
        return "".join(self.openings[:-1]) + self.between_calls.join(made) + "".join(self.closings[1:])

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`."""
        name = f'"functions.{tool.function.name}:" /[0-9]{{1,3}}/' if self.counted else literal(tool.function.name)
        before = f"{self.marker(self.before)} " if self.before else ""
        tail = f" {literal(self._break() + self.tail)}" if self.tail else ""
        call, end = self.marker(self.openings[-1]), self.marker(self.closings[0])
        opening = f"{call} " if len(self.openings) > 1 else ""
        return f"{opening}{before}{name} {self.marker(self.after)} {json_arguments(tool)}{tail} {end}"

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        if len(self.openings) == 1:
            return "tool"
        gap = f"{literal(self.between_calls)} " if self.between_calls else ""
        return f"tool{f' ({gap}tool)*' if parallel else ''} {self.marker(self.closings[1])}"

    def between(self) -> str | None:
        """See `ToolFormat.between`."""
        return self.lead() if len(self.openings) == 1 else None

    def _shown(self, name: str, place: int) -> str:
        return f"functions.{name}:{place}" if self.counted else name

    def _break(self) -> str:
        return "\n" if self.tail else ""
