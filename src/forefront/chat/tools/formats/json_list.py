"""Calls as one JSON array after a marker: `[TOOL_CALLS] [{"name": …, "arguments": {…}}, …]` of Mistral.

Also `<|tool_call|>[…]` of Granite 3, `<|tool_call|>[…]<|/tool_call|>` and `functools[…]` of Phi-4-mini,
`<|START_ACTION|>[…]<|END_ACTION|>` of Command R7B, `<|tools_prefix|>[{NAME: {…}}]<|tools_suffix|>` of Apertus, and the
array alone of xLAM.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.argument_grammar import json_arguments
from forefront.chat.tools.formats.hermes import json_call, json_rule
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import LarkRules, PastCall, ToolFormat, compact, literal
from forefront.wire.completions.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonListFormat(ToolFormat):
    """`closings` begin with the array's own bracket; `space` precedes the array; `keys` name the name and the
    arguments of a call; `numbered` calls begin with their place in the array as `tool_call_id`; `by_name`: the name is
    the key of the arguments."""

    closings: tuple[str, ...] = ("]",)
    space: str = ""
    keys: tuple[str, str] = ("name", "arguments")
    numbered: bool = False
    by_name: bool = False
    more: ClassVar[str] = ","

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`. A single object does without the array."""
        char = yield from reader.skip_whitespace(char)
        if (marker or self.bare) and char == "[":
            char = yield from reader.expect("[", char)
        return (yield from reader.entry(char) if self.by_name else reader.object(char))

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        if self.by_name:
            made = [compact({name: arguments}) for name, arguments in calls]
        else:
            made = [json_call(name, arguments, self.keys) for name, arguments in calls]
        if self.numbered:
            made = [f'{{"tool_call_id": "{place}", {call[1:]}' for place, call in enumerate(made)]
        opening = self.openings[0] if self.openings else ""
        return f"{opening}{self.space}[{', '.join(made)}{''.join(self.closings)}"

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`."""
        if self.by_name:
            return f'{literal(f"{{{compact(tool.function.name)}: ")} {json_arguments(tool)} "}}"'
        rule = json_rule(tool, self.keys)
        if not self.numbered:
            return rule
        return '"{\\"tool_call_id\\": \\"" /[0-9]{1,3}/ "\\", ' + rule.removeprefix('"{')

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        more = ' (", " tool)*' if parallel else ""
        closing = " ".join(self.marker(text) for text in self.closings)
        return f"{literal(self.space + '[')} tool{more} {closing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BareListFormat(JsonListFormat):
    """The array alone, at the beginning of the answer."""

    openings: tuple[str, ...] = ()
    bare: ClassVar[str] = "["

    def lead(self) -> str:
        """See `ToolFormat.lead`."""
        return ""

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`. The bracket and the first call's head are one lexeme, apart from other text."""
        rules.choice("later", f'", " {json_rule(tool, self.keys)}')
        head = re.escape(f'[{{"{self.keys[0]}": {compact(tool.function.name)}, "{self.keys[1]}": ').replace("/", "\\/")
        return f'/{head}/ {json_arguments(tool)} "}}"'

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        return f'tool{" later*" if parallel else ""} "]"'

    def free_text(self, tools: Sequence[Tool]) -> str | None:
        """See `ToolFormat.free_text`."""
        return r"""/(?s:.*)/ & ~/\s*\[\s*\{\s*"name"(?s:.*)/"""
