"""FunctionGemma's calls: `<start_function_call>call:NAME{key:<escape>text<escape>,other:5}<end_function_call>`.

Gemma 4's are the same with `<|tool_call>`, `<tool_call|>` and `<|"|>`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.argument_grammar import (
    FREE_NAME,
    custom_text,
    free_text,
    json_value,
    parameters_schema,
    sequence,
    text_conditions,
)
from forefront.chat.tools.argument_schema import enumerated, fit_to_schema, properties, resolve, types
from forefront.chat.tools.call_cursor import NotACallError
from forefront.chat.tools.formats.literals import LiteralReader, ValueTextError
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import LarkRules, PastCall, ToolFormat, compact, literal
from forefront.wire.completions.tools import TEXT_GRAMMAR, Tool

# Levels of arrays and objects that the grammar knows; it grows with each.
_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmaFormat(ToolFormat):
    """`quote` encloses strings. A call is shown when it is complete."""

    openings: tuple[str, ...] = ("<start_function_call>",)
    closings: tuple[str, ...] = ("<end_function_call>",)
    quote: str = "<escape>"

    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """See `ToolFormat.read`."""
        char = yield from reader.skip_whitespace(char)
        name, char = yield from reader.head("{", char)
        if not name.startswith("call:"):
            raise NotACallError(char)
        reader.name(name.removeprefix("call:").strip(), char)
        text, char = yield from reader.balanced(char, (self.quote,), escapes=False)
        parts = properties(reader.schema)
        try:
            values = LiteralReader(text, self.quote)
            values.expect("{")
            found = {
                key: fit_to_schema(value, parts.get(key), reader.schema) for key, value in values.members("}", ":")
            }
        except ValueTextError:
            raise NotACallError(char) from None
        reader.take(compact(found))
        return char

    def write(self, calls: Sequence[PastCall]) -> str:
        """See `ToolFormat.write`."""
        opening, closing = self.openings[0], self.closings[0]
        return "".join(
            f"{opening}call:{name}{{{','.join(f'{k}:{self._shown(v)}' for k, v in arguments.items())}}}{closing}"
            for name, arguments in calls
        )

    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """See `ToolFormat.rule`."""
        members = self._members(parameters_schema(tool), tool, rules, 0)
        return f'{literal(f"call:{tool.function.name}{{")} {members} "}}"'

    def block(self, *, parallel: bool) -> str:
        """See `ToolFormat.block`."""
        return f"tool {self.marker(self.closings[0])}"

    def between(self) -> str | None:
        """See `ToolFormat.between`."""
        return self.lead()

    def _members(self, schema: Mapping[str, Any], tool: Tool, rules: LarkRules, depth: int) -> str:
        """Lark expression for keys and values."""

        def argument(key: str, part: Any) -> str:
            return f"{literal(key + ':')} {self._value(part, tool, key, rules, depth + 1)}"

        return sequence(schema, argument, f'{FREE_NAME} ":" {self._string((), rules)}', literal(","), rules)

    def _value(self, part: Any, tool: Tool, key: str, rules: LarkRules, depth: int) -> str:
        """Lark expression for a value."""
        root = parameters_schema(tool)
        values = enumerated(part, root)
        if values is not None:
            quote = self.marker(self.quote)
            shown = [f"{quote} {literal(v)} {quote}" if isinstance(v, str) else literal(compact(v)) for v in values]
            return f"({' | '.join(shown)})"
        grammar = resolve(part, root).get(TEXT_GRAMMAR)
        if grammar is not None:
            quote = self.marker(self.quote)
            return f"{quote} {custom_text(grammar, tool, key, rules)} {quote}"
        allowed, limits = types(part, root), resolve(part, root)
        if "string" in allowed or depth > _DEPTH:
            return self._string(text_conditions(limits, tool, key, rules) if allowed == {"string"} else (), rules)
        if "object" in allowed:
            return f'"{{" {self._members(limits, tool, rules, depth)} "}}"'
        if "array" in allowed:
            item = rules.rule(self._value(limits.get("items"), tool, key, rules, depth + 1))
            return f'"[" ({item} ("," {item})*)? "]"'
        return json_value(part, tool, key)

    def _string(self, conditions: Sequence[str], rules: LarkRules) -> str:
        """Lark expression for a string."""
        quote = self.marker(self.quote)
        return f"{quote} {free_text(self.quote, rules, conditions, quote if self.quote in self.control else '')}"

    def _shown(self, value: Any) -> str:
        match value:
            case str():
                return f"{self.quote}{value}{self.quote}"
            case dict():
                return "{" + ",".join(f"{key}:{self._shown(entry)}" for key, entry in value.items()) + "}"
            case list():
                return "[" + ",".join(map(self._shown, value)) + "]"
        return compact(value)
