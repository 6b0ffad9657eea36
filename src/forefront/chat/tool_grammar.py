"""What a model may write when it calls tools, as a grammar for llguidance."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forefront.chat.grammar_source import json_lark
from forefront.chat.tool_format import ToolFormat
from forefront.wire.tools import NamedToolChoice, Tool, ToolChoice

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
# Text at the answer's beginning that is not read as a call.
_NO_CALL = r"""TEXT: /(?s:.*)/ & ~/\s*\{\s*("type"\s*:\s*"function"\s*,\s*)?"name"(?s:.*)/"""


@dataclass(frozen=True, slots=True)
class ToolGrammar:
    """`lark` is in llguidance's dialect. Without `trigger` it holds from the answer's first character to its end.

    With `trigger`, the answer is free text until it ends in that; the grammar holds for what follows the trigger. When
    it is complete, the text is free again, or, if it `ends`, the answer is over.
    """

    lark: str
    trigger: str = ""
    ends: bool = True


def tool_grammar(
    form: ToolFormat, tools: Sequence[Tool], choice: ToolChoice | None, *, parallel: bool, thought: bool = False
) -> ToolGrammar:
    """The grammar of calls of `tools` (one at least) in `form`; `choice` is anything but `none`.

    Arguments keep to each tool's schema; without `strict`, keywords that llguidance does not know are left out of it.
    A named choice is one call, as `parallel` false is. If a forced call follows reasoning (`thought`), up to two line
    breaks may come first.
    """
    if isinstance(choice, NamedToolChoice):
        tools = [tool for tool in tools if tool.function.name == choice.function.name]
        parallel = False
    rules = [f"tool_{place}: {_call(form, tool)}" for place, tool in enumerate(tools)]
    rules.append("tool: " + " | ".join(f"tool_{place}" for place in range(len(tools))))
    rules.append("calls: " + _calls(form, parallel))
    opening = _marker(form, form.opening)
    if choice is None or choice == "auto":
        if form.family != "llama3":
            return ToolGrammar("\n".join(["start: calls", *rules]), form.opening, ends=not parallel)
        marked = f" | {opening} calls" if form.opening in form.control else ""
        return ToolGrammar("\n".join([f"start: calls{marked} | TEXT", *rules, _NO_CALL]))
    between = {"hermes": f'"\\n" {opening}', "mistral": opening if form.named else "", "llama3": ""}[form.family]
    more = f" ({between} calls)*" if parallel and between else ""
    first = ('("\\n" "\\n"?)? ' if thought else "") + ("" if form.family == "llama3" else f"{opening} ")
    return ToolGrammar("\n".join([f"start: {first}calls{more}", *rules]))


def _calls(form: ToolFormat, parallel: bool) -> str:
    """What stands behind the opening marker, up to where the next one may come."""
    if form.family == "hermes":
        return f'"\\n" tool "\\n" {_marker(form, form.closing)}'
    if form.family == "llama3":
        return 'tool ("; " tool)*' if parallel else "tool"
    if form.named:
        return "tool"
    more = ' (", " tool)*' if parallel else ""
    return f"{_literal(form.space + '[')} tool{more} {_literal(form.closing)}"


def _call(form: ToolFormat, tool: Tool) -> str:
    """One call of `tool`."""
    arguments = _arguments(tool)
    if form.named:
        identified = f"({_marker(form, '[CALL_ID]')} /[a-zA-Z0-9]{{9}}/)? " if "[CALL_ID]" in form.control else ""
        return f"{_literal(tool.function.name)} {identified}{_marker(form, '[ARGS]')} {arguments}"
    name = json.dumps(tool.function.name, ensure_ascii=False)
    if form.family == "llama3":
        # One lexeme, so that it is told from other text by its end.
        kind = re.escape('"type": "function", ')
        head = re.escape(f'"name": {name}, "parameters": ').replace("/", "\\/")
        return f'/\\{{({kind})?{head}/ {arguments} "}}"'
    return f'{_literal(f"""{{"name": {name}, "arguments": """)} {arguments} "}}"'


def _arguments(tool: Tool) -> str:
    schema = _NO_PARAMETERS if tool.function.parameters is None else tool.function.parameters
    return json_lark({"type": "object", **schema}, lenient=not tool.function.strict)


def _marker(form: ToolFormat, marker: str) -> str:
    return f"<[{form.control[marker]}]>" if marker in form.control else _literal(marker)


def _literal(text: str) -> str:
    return json.dumps(text)
