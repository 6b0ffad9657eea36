"""The format of calls that a model was trained on, found from its chat template and its control tokens."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from forefront.chat.tools.gemma import GemmaFormat
from forefront.chat.tools.hermes import HermesFormat
from forefront.chat.tools.json_list import JsonListFormat
from forefront.chat.tools.llama import LlamaFormat
from forefront.chat.tools.named import MistralFormat, SectionFormat
from forefront.chat.tools.pythonic import BarePythonicFormat, FencedPythonicFormat, PythonicFormat, is_pythonic
from forefront.chat.tools.tagged import TaggedFormat
from forefront.chat.tools.tool_format import ToolFormat

Control = Mapping[str, int]
# A call object as templates write it, in text of their own or within a Jinja string.
_ARGUMENTS: Final = re.compile(r"""\\?["']arguments\\?["']""")
_PARAMETERS: Final = re.compile(r"""\\?["']parameters\\?["']\s*:""")
_PYTHON_MARKERS: Final = ("<|python_tag|>", "<|python_start|>")


def find_tool_format(template: str, control: Control) -> ToolFormat | None:
    """The format that the chat template's source speaks; `control` are the tokenizer's control tokens (text → id).

    None for a template without tools, and for one whose calls are of a kind not known here.
    """
    for find in _FINDERS:
        form = find(template, control)
        if form is not None:
            return form
    return None


def present(control: Control, *markers: str) -> dict[str, int]:
    """Those of the markers that are control tokens."""
    return {marker: control[marker] for marker in markers if marker in control}


def _mistral(template: str, control: Control) -> ToolFormat | None:
    if "[TOOL_CALLS]" not in template:
        return None
    markers = present(control, "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
    space = " " if "[TOOL_CALLS] [" in template else ""
    return MistralFormat(named="[ARGS]" in template, space=space, control=markers)


def _cohere(template: str, control: Control) -> ToolFormat | None:
    if "<|START_ACTION|>" not in template:
        return None
    return JsonListFormat(
        openings=("<|START_ACTION|>",),
        closings=("]", "<|END_ACTION|>"),
        keys=("tool_name", "parameters"),
        numbered=True,
        control=present(control, "<|START_ACTION|>", "<|END_ACTION|>"),
    )


def _deepseek(template: str, control: Control) -> ToolFormat | None:
    if "<｜tool▁calls▁begin｜>" not in template:
        return None
    openings = ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>")
    closings = ("<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>")
    markers = present(control, *openings, *closings, "<｜tool▁sep｜>")
    if "```json" not in template:
        return SectionFormat(openings=openings, closings=closings, behind="<｜tool▁sep｜>", control=markers)
    return SectionFormat(
        openings=openings,
        closings=closings,
        before="function<｜tool▁sep｜>",
        behind="\n```json\n",
        tail="```",
        between_calls="\n",
        control=markers,
    )


def _kimi(template: str, control: Control) -> ToolFormat | None:
    if "<|tool_calls_section_begin|>" not in template:
        return None
    openings = ("<|tool_calls_section_begin|>", "<|tool_call_begin|>")
    closings = ("<|tool_call_end|>", "<|tool_calls_section_end|>")
    separator = "<|tool_call_argument_begin|>"
    return SectionFormat(
        openings=openings,
        closings=closings,
        behind=separator,
        counted=True,
        control=present(control, *openings, *closings, separator),
    )


def _gemma(template: str, control: Control) -> ToolFormat | None:
    for opening, closing, quote in (
        ("<start_function_call>", "<end_function_call>", "<escape>"),
        ("<|tool_call>", "<tool_call|>", '<|"|>'),
    ):
        if opening in template and closing in template:
            markers = present(control, opening, closing, quote)
            return GemmaFormat(openings=(opening,), closings=(closing,), quote=quote, control=markers)
    return None


def _lfm(template: str, control: Control) -> ToolFormat | None:
    opening, closing = "<|tool_call_start|>", "<|tool_call_end|>"
    if opening not in template and not ("tools" in template and opening in control):
        return None
    kind = JsonListFormat if _ARGUMENTS.search(template) and '"name"' in template else PythonicFormat
    return kind(openings=(opening,), closings=("]", closing), control=present(control, opening, closing))


def _tagged(template: str, control: Control) -> ToolFormat | None:
    for opening, closing in (("<tool_call>", "</tool_call>"), ("<seed:tool_call>", "</seed:tool_call>")):
        if opening in template and "<function=" in template and "<parameter=" in template:
            return TaggedFormat(
                openings=(opening, "<function="),
                closings=(closing,),
                call="<function=",
                named=">",
                key="<parameter=",
                keyed=">",
                valued="</parameter>",
                end="</function>",
                trim="\n" if "<tool_call>" in template else "",
                control=present(control, opening, closing),
            )
    if "<minimax:tool_call>" in template:
        return TaggedFormat(
            openings=("<minimax:tool_call>",),
            closings=("</minimax:tool_call>",),
            call='<invoke name="',
            named='">',
            key='<parameter name="',
            keyed='">',
            valued="</parameter>",
            end="</invoke>",
            control=present(control, "<minimax:tool_call>", "</minimax:tool_call>"),
        )
    if "<arg_key>" not in template or "<tool_call>" not in template:
        return None
    markers = ("<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
    return TaggedFormat(
        openings=("<tool_call>",),
        call="",
        named="\n",
        key="<arg_key>",
        keyed="</arg_key>",
        value="<arg_value>",
        valued="</arg_value>",
        end="</tool_call>",
        control=present(control, *markers),
    )


def _list(template: str, control: Control) -> ToolFormat | None:
    if "<tool_call>" in template:
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
                openings=(opening,), closings=("]", closing), control=present(control, opening, closing)
            )
    opening = "<|tool_call|>"
    if opening in template or ("tools" in template and opening in control):
        return JsonListFormat(openings=(opening,), control=present(control, opening))
    return None


def _hermes(template: str, control: Control) -> ToolFormat | None:
    if "<tool_call>" not in template or not _ARGUMENTS.search(template):
        return None
    return HermesFormat(control=present(control, "<tool_call>", "</tool_call>"))


def _pythonic(template: str, control: Control) -> ToolFormat | None:
    if "```tool_code" in template:
        return FencedPythonicFormat()
    opening, closing = "<function_calls>", "</function_calls>"
    if opening in template and closing in template:
        return FencedPythonicFormat(openings=(opening,), fence=closing, control=present(control, opening, closing))
    if not is_pythonic(template):
        return None
    markers = present(control, "<|python_start|>", "<|python_end|>")
    if len(markers) == 2:
        return BarePythonicFormat(openings=("<|python_start|>",), closings=("]", "<|python_end|>"), control=markers)
    return BarePythonicFormat()


def _llama(template: str, control: Control) -> ToolFormat | None:
    marker = next((marker for marker in _PYTHON_MARKERS if marker in template or marker in control), None)
    if marker is None or not _PARAMETERS.search(template):
        return None
    closing = ("<|python_end|>",) if marker == "<|python_start|>" else ()
    return LlamaFormat(openings=(marker,), closings=closing, control=present(control, marker, *closing))


_FINDERS: Final[tuple[Callable[[str, Control], ToolFormat | None], ...]] = (
    _mistral,
    _cohere,
    _deepseek,
    _kimi,
    _gemma,
    _lfm,
    _tagged,
    _list,
    _hermes,
    _pythonic,
    _llama,
)
