"""The grammar of a model's tool calls, for llguidance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from forefront.chat.grammar.schema.schema_report import UnenforceableError
from forefront.chat.tools.argument_grammar import request_path
from forefront.chat.tools.tool_format import LarkRules, ToolFormat
from forefront.wire.completions.tools import Tool
from forefront.wire.errors import RequestError

CallMode = Literal["auto", "required", "one"]


@dataclass(frozen=True, slots=True)
class ToolGrammar:
    """`lark` is in llguidance's dialect. Without `trigger` it holds from the answer's first character to its end.

    With `trigger`, the answer is free text until it ends in that; the grammar holds for what follows the trigger. When
    it is complete, the text is free again, or, if it `ends`, the answer is over. `left_out` are the paths of keywords
    of schemas that it does not enforce.
    """

    lark: str
    trigger: str = ""
    ends: bool = True
    left_out: tuple[str, ...] = ()


def tool_grammar(
    form: ToolFormat, tools: Sequence[Tool], mode: CallMode, *, parallel: bool, thought: bool = False
) -> ToolGrammar:
    """The grammar of calls of `tools` (one at least) in `form`.

    Arguments keep to each tool's schema; without `strict`, keywords that cannot be enforced are left out of it.
    The mode `one` is one call, as `parallel` false is. If a forced call follows reasoning (`thought`), up to two line
    breaks may come first. Raises `RequestError` (422).
    """
    parallel = parallel and mode != "one"
    parts = LarkRules()
    rules = [f"tool_{place}: {_rule(form, tool, parts)}" for place, tool in enumerate(tools)]
    rules.append("tool: " + " | ".join(f"tool_{place}" for place in range(len(tools))))
    rules.append("calls: " + form.block(parallel=parallel))
    if mode == "auto":
        text = form.free_text(tools)
        if text is None:
            lark = "\n".join(["start: calls", *rules, *parts.lines])
            return ToolGrammar(lark, form.openings[0], not parallel, tuple(parts.left_out))
        marked = "".join(f" | {form.marker(opening)} calls" for opening in form.openings if opening in form.control)
        start = f"start: calls{marked} | {parts.terminal(text)}"
        return ToolGrammar("\n".join([start, *rules, *parts.lines]), left_out=tuple(parts.left_out))
    between = form.between()
    more = f" ({between} calls)*" if parallel and between is not None else ""
    gap = '("\\n" "\\n"?)? ' if thought else ""
    lark = "\n".join([f"start: {gap}{form.lead()} calls{more}", *rules, *parts.lines])
    return ToolGrammar(lark, left_out=tuple(parts.left_out))


def _rule(form: ToolFormat, tool: Tool, rules: LarkRules) -> str:
    try:
        return form.rule(tool, rules)
    except RecursionError:
        text = f"The parameters of the tool `{tool.function.name}` nest too deep."
        raise RequestError("invalid_value", text, param="tools") from None
    except UnenforceableError as error:
        path = request_path(error.path)
        raise RequestError("invalid_value", f"`{path}` cannot be used: {error}", param=path) from None
