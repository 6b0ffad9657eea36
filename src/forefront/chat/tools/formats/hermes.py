"""Each call a JSON object between tags: `<tool_call>⏎{"name": …, "arguments": {…}}⏎</tool_call>`.

Hermes, Qwen 2.5 and 3, SmolLM3, Granite 4, EXAONE 4; with other tags, and without line breaks, others too (GigaChat 3).
InternLM 2.5 breaks the line before the object alone. MiniMax M1 writes all calls of an answer between one pair of tags.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.argument_grammar import json_arguments
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import LarkRules, PastCall, ToolFormat, compact, literal
from forefront.wire.completions.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class HermesFormat(ToolFormat):
    """`gap` is the text around an object, `before` further text before it; `keys` name the name and the arguments.
    `together`: several calls share the tags."""

    openings: tuple[str, ...] = ("<tool_call>",)
    closings: tuple[str, ...] = ("</tool_call>",)
    gap: str = "\n"
    before: str = ""
    keys: tuple[str, str] = ("name", "arguments")
    together: bool = False
    more: ClassVar[str] = "{"

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`."""
        return (yield from reader.object(char))

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        if self.together:
            made = "".join(self.gap + self._object(*call) for call in calls)
            return f"{self.openings[0]}{made}{self.gap}{''.join(self.closings)}"
        return self.gap.join(
            f"{self.openings[0]}{self.gap}{self._object(*call)}{self.gap}{''.join(self.closings)}" for call in calls
        )

    def _object(self, name: str, arguments: Mapping[str, Any]) -> str:
        return self.before + json_call(name, arguments, self.keys)

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`."""
        before = f"{literal(self.before)} " if self.before else ""
        return before + json_rule(tool, self.keys)

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        gap = f"{literal(self.gap)} " if self.gap else ""
        more = f"({gap}tool)* " if self.together and parallel else ""
        return f"{gap}tool {more}{gap}{' '.join(map(self.marker, self.closings))}"

    def between(self) -> str | None:
        """See `ToolFormat.between`."""
        if self.together:
            return None
        return f"{literal(self.gap)} {self.lead()}" if self.gap else self.lead()


def json_call(name: str, arguments: object, keys: tuple[str, str] = ("name", "arguments")) -> str:
    """A call as a JSON object."""
    return f'{{"{keys[0]}": {compact(name)}, "{keys[1]}": {compact(arguments)}}}'


def json_rule(tool: Tool, keys: tuple[str, str] = ("name", "arguments")) -> str:
    """Lark expression for a call of `tool` as a JSON object."""
    head = f'{{"{keys[0]}": {compact(tool.function.name)}, "{keys[1]}": '
    return f'{literal(head)} {json_arguments(tool)} "}}"'
