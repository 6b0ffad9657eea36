"""Calls as one JSON array behind a marker: `[TOOL_CALLS] [{"name": …, "arguments": {…}}, …]` of Mistral.

Also `<|tool_call|>[…]` of Granite 3, `<|tool_call|>[…]<|/tool_call|>` and `functools[…]` of Phi-4-mini,
`<|START_ACTION|>[…]<|END_ACTION|>` of Command R7B.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.call_parser import CallParser
from forefront.chat.tools.formats.hermes import json_call, json_rule
from forefront.chat.tools.tool_format import PastCall, Rules, ToolFormat, literal
from forefront.wire.completions.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonListFormat(ToolFormat):
    """`closings` begin with the array's own bracket; `space` precedes the array; `keys` name the name and the
    arguments of a call; `numbered` calls begin with their place in the array as `tool_call_id`."""

    closings: tuple[str, ...] = ("]",)
    space: str = ""
    keys: tuple[str, str] = ("name", "arguments")
    numbered: bool = False
    more: ClassVar[str] = ","

    def read(self, reader: CallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`. A single object does without the array."""
        char = yield from reader.white(char)
        if marker and char == "[":
            char = yield from reader.expect("[", char)
        return (yield from reader.object(char))

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        made = [json_call(name, arguments, self.keys) for name, arguments in calls]
        if self.numbered:
            made = [f'{{"tool_call_id": "{place}", {call[1:]}' for place, call in enumerate(made)]
        return f"{self.openings[0]}{self.space}[{', '.join(made)}{''.join(self.closings)}"

    def rule(self, tool: Tool, rules: Rules) -> str:
        """See `ToolFormat.rule`."""
        rule = json_rule(tool, self.keys)
        if not self.numbered:
            return rule
        return '"{\\"tool_call_id\\": \\"" /[0-9]{1,3}/ "\\", ' + rule.removeprefix('"{')

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        more = ' (", " tool)*' if parallel else ""
        closing = " ".join(self.marker(text) for text in self.closings)
        return f"{literal(self.space + '[')} tool{more} {closing}"
