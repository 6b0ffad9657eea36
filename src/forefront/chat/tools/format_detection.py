"""Detects the format of a model's tool calls from its chat template and control tokens."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from forefront.chat.tools.formats.hermes import HermesFormat
from forefront.chat.tools.formats.json_list import BareListFormat, JsonListFormat
from forefront.chat.tools.formats.llama import LlamaFormat
from forefront.chat.tools.formats.named import MistralFormat
from forefront.chat.tools.formats.pythonic import BarePythonicFormat, FencedPythonicFormat, PythonicFormat, is_pythonic
from forefront.chat.tools.signatures import SIGNATURES
from forefront.chat.tools.tool_format import ToolFormat

ControlTokens = Mapping[str, int]
# A call object as templates write it, in plain text or within a Jinja string.
_ARGUMENTS: Final = re.compile(r"""\\?["']arguments\\?["']""")
_PARAMETERS: Final = re.compile(r"""\\?["']parameters\\?["']\s*:""")
_BARE_LIST: Final = re.compile(r"""\[\s*\{\\?["']name\\?["']:""")
_LLAMA_CALL: Final = '{"name": function name, "parameters":'
_PYTHON_MARKERS: Final = ("<|python_tag|>", "<|python_start|>")


def find_tool_format(template: str, control: ControlTokens) -> ToolFormat | None:
    """The format of the chat template's source; `control` are the tokenizer's control tokens (text → id).

    None for a template without tools, and for one whose calls are of an unknown kind.
    """
    for find in _FINDERS:
        found = find(template, control)
        if found is not None:
            return found
    return None


def control_markers(control: ControlTokens, *markers: str) -> dict[str, int]:
    """The markers that are control tokens, with their ids."""
    return {marker: control[marker] for marker in markers if marker in control}


def _mistral(template: str, control: ControlTokens) -> ToolFormat | None:
    if "[TOOL_CALLS]" not in template:
        return None
    markers = control_markers(control, "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
    space = " " if "[TOOL_CALLS] [" in template else ""
    return MistralFormat(named="[ARGS]" in template, space=space, control=markers)


def _signed(template: str, control: ControlTokens) -> ToolFormat | None:
    for signature in SIGNATURES:
        if all(text in template for text in signature.texts):
            form = signature.format
            markers = (*form.openings, *form.closings, *signature.markers)
            return replace(form, control=control_markers(control, *markers))
    return None


def _lfm(template: str, control: ControlTokens) -> ToolFormat | None:
    opening, closing = "<|tool_call_start|>", "<|tool_call_end|>"
    if opening not in template and not ("tools" in template and opening in control):
        return None
    kind = JsonListFormat if _ARGUMENTS.search(template) and '"name"' in template else PythonicFormat
    return kind(openings=(opening,), closings=("]", closing), control=control_markers(control, opening, closing))


def _list(template: str, control: ControlTokens) -> ToolFormat | None:
    if "<tool_call>" in template and "<tool_calls>[" not in template:
        return None
    if "functools[" in template:
        return JsonListFormat(openings=("functools",))
    for opening, closing in (
        ("<|tool_call|>", "<|/tool_call|>"),
        ("<TOOLCALL>", "</TOOLCALL>"),
        ("<tool_calls>", "</tool_calls>"),
    ):
        named = closing in template and opening in template
        if named or ("tools" in template and {opening, closing} <= set(control)):
            return JsonListFormat(
                openings=(opening,), closings=("]", closing), control=control_markers(control, opening, closing)
            )
    opening = "<|tool_call|>"
    if opening in template or ("tools" in template and opening in control):
        return JsonListFormat(openings=(opening,), control=control_markers(control, opening))
    return None


def _hermes(template: str, control: ControlTokens) -> ToolFormat | None:
    if "<tool_call>" not in template or not _ARGUMENTS.search(template):
        return None
    return HermesFormat(control=control_markers(control, "<tool_call>", "</tool_call>"))


def _pythonic(template: str, control: ControlTokens) -> ToolFormat | None:
    if "```tool_code" in template:
        return FencedPythonicFormat()
    opening, closing = "<function_calls>", "</function_calls>"
    if opening in template and closing in template:
        return FencedPythonicFormat(
            openings=(opening,), fence=closing, control=control_markers(control, opening, closing)
        )
    if not is_pythonic(template):
        return None
    markers = control_markers(control, "<|python_start|>", "<|python_end|>")
    if len(markers) == 2:
        return BarePythonicFormat(openings=("<|python_start|>",), closings=("]", "<|python_end|>"), control=markers)
    return BarePythonicFormat()


def _llama(template: str, control: ControlTokens) -> ToolFormat | None:
    default = _PYTHON_MARKERS[0] if _LLAMA_CALL in template else None
    marker = next((marker for marker in _PYTHON_MARKERS if marker in template or marker in control), default)
    if marker is None or not _PARAMETERS.search(template):
        return None
    closing = ("<|python_end|>",) if marker == "<|python_start|>" else ()
    return LlamaFormat(openings=(marker,), closings=closing, control=control_markers(control, marker, *closing))


def _bare_list(template: str, _control: ControlTokens) -> ToolFormat | None:
    shown = _BARE_LIST.search(template) and _ARGUMENTS.search(template) and "tools" in template
    return BareListFormat() if shown else None


_FINDERS: Final[tuple[Callable[[str, ControlTokens], ToolFormat | None], ...]] = (
    _mistral,
    _signed,
    _lfm,
    _list,
    _hermes,
    _pythonic,
    _llama,
    _bare_list,
)
