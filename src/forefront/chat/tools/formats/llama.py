"""Llama 3's JSON: `{"name": …, "parameters": {…}}` at the beginning of the answer or after `<|python_tag|>`, further
calls after `;`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.argument_grammar import json_arguments
from forefront.chat.tools.formats.hermes import json_call
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import LarkRules, PastCall, ToolFormat, compact
from forefront.wire.completions.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaFormat(ToolFormat):
    """A call needs no marker."""

    openings: tuple[str, ...] = ("<|python_tag|>",)
    bare: ClassVar[str] = "{"
    more: ClassVar[str] = "{;"

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`."""
        return (yield from reader.object(char))

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        return "; ".join(json_call(name, arguments, ("name", "parameters")) for name, arguments in calls)

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`. The head is one lexeme, so that the lexer separates it from other text."""
        kind = re.escape('"type": "function", ')
        head = re.escape(f'"name": {compact(tool.function.name)}, "parameters": ').replace("/", "\\/")
        return f'/\\{{({kind})?{head}/ {json_arguments(tool)} "}}"'

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        return 'tool ("; " tool)*' if parallel else "tool"

    def lead(self) -> str:
        """See `ToolFormat.lead`."""
        return ""

    def free_text(self, tools: Sequence[Tool]) -> str | None:
        """See `ToolFormat.free_text`."""
        return r"""/(?s:.*)/ & ~/\s*\{\s*("type"\s*:\s*"function"\s*,\s*)?"name"(?s:.*)/"""
