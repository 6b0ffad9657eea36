"""Detects the format of a model's tool calls from its chat template and control tokens."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from forefront.chat.tools.formats.gemma import GemmaFormat
from forefront.chat.tools.formats.hermes import HermesFormat
from forefront.chat.tools.formats.json_list import BareListFormat, JsonListFormat
from forefront.chat.tools.formats.llama import LlamaFormat
from forefront.chat.tools.formats.named import MistralFormat, SectionFormat
from forefront.chat.tools.formats.pythonic import BarePythonicFormat, FencedPythonicFormat, PythonicFormat, is_pythonic
from forefront.chat.tools.formats.tagged import TaggedFormat
from forefront.chat.tools.tool_format import ToolFormat

ControlTokens = Mapping[str, int]
# A call object as templates write it, in plain text or within a Jinja string.
_ARGUMENTS: Final = re.compile(r"""\\?["']arguments\\?["']""")
_PARAMETERS: Final = re.compile(r"""\\?["']parameters\\?["']\s*:""")
_BARE_LIST: Final = re.compile(r"""\[\s*\{\\?["']name\\?["']:""")
_LLAMA_CALL: Final = '{"name": function name, "parameters":'
_PYTHON_MARKERS: Final = ("<|python_tag|>", "<|python_start|>")


@dataclass(frozen=True, slots=True)
class _Signature:
    """A format whose templates contain all of `texts`. `markers` may be control tokens, besides those of the format."""

    texts: tuple[str, ...]
    format: ToolFormat
    markers: tuple[str, ...] = ()


_DEEPSEEK_BEGIN: Final = ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>")
_DEEPSEEK_END: Final = ("<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>")
_DEEPSEEK_SEPARATOR: Final = "<｜tool▁sep｜>"
_KIMI_SEPARATOR: Final = "<|tool_call_argument_begin|>"


def _function_tags(opening: str, closing: str, trim: str) -> TaggedFormat:
    return TaggedFormat(
        openings=(opening, "<function="),
        closings=(closing,),
        call="<function=",
        named=">",
        key="<parameter=",
        keyed=">",
        valued="</parameter>",
        end="</function>",
        trim=trim,
    )


# The first that fits counts.
_SIGNATURES: Final = (
    _Signature(  # Cohere
        ("<|START_ACTION|>",),
        JsonListFormat(
            openings=("<|START_ACTION|>",),
            closings=("]", "<|END_ACTION|>"),
            keys=("tool_name", "parameters"),
            numbered=True,
        ),
    ),
    _Signature(  # DeepSeek R1 and V3
        ("<｜tool▁calls▁begin｜>", "```json"),
        SectionFormat(
            openings=_DEEPSEEK_BEGIN,
            closings=_DEEPSEEK_END,
            before=f"function{_DEEPSEEK_SEPARATOR}",
            behind="\n```json\n",
            tail="```",
            between_calls="\n",
        ),
        (_DEEPSEEK_SEPARATOR,),
    ),
    _Signature(  # DeepSeek V3.1
        ("<｜tool▁calls▁begin｜>",),
        SectionFormat(openings=_DEEPSEEK_BEGIN, closings=_DEEPSEEK_END, behind=_DEEPSEEK_SEPARATOR),
        (_DEEPSEEK_SEPARATOR,),
    ),
    _Signature(  # Kimi K2
        ("<|tool_calls_section_begin|>",),
        SectionFormat(
            openings=("<|tool_calls_section_begin|>", "<|tool_call_begin|>"),
            closings=("<|tool_call_end|>", "<|tool_calls_section_end|>"),
            behind=_KIMI_SEPARATOR,
            counted=True,
        ),
        (_KIMI_SEPARATOR,),
    ),
    _Signature(  # Functionary 3.1, and Llama 3.1's functions of its own
        ("<function=", "</function>", 'example_name"'),
        SectionFormat(openings=("<function=",), closings=("</function>",), behind=">"),
    ),
    _Signature(("<start_function_call>", "<end_function_call>"), GemmaFormat(), ("<escape>",)),  # FunctionGemma
    _Signature(  # Gemma 4
        ("<|tool_call>", "<tool_call|>"),
        GemmaFormat(openings=("<|tool_call>",), closings=("<tool_call|>",), quote='<|"|>'),
        ('<|"|>',),
    ),
    _Signature(  # Qwen3-Coder
        ("<tool_call>", "<function=", "<parameter="), _function_tags("<tool_call>", "</tool_call>", "\n")
    ),
    _Signature(  # Seed-OSS
        ("<seed:tool_call>", "<function=", "<parameter="), _function_tags("<seed:tool_call>", "</seed:tool_call>", "")
    ),
    _Signature(  # MiniMax M2
        ("<minimax:tool_call>",),
        TaggedFormat(
            openings=("<minimax:tool_call>", '<invoke name="'),
            closings=("</minimax:tool_call>",),
            call='<invoke name="',
            named='">',
            key='<parameter name="',
            keyed='">',
            valued="</parameter>",
            end="</invoke>",
            together=True,
        ),
    ),
    _Signature(  # MiniCPM 5
        ('<function name="', '<param name="'),
        TaggedFormat(
            openings=('<function name="',),
            call='<function name="',
            named='">',
            key='<param name="',
            keyed='">',
            valued="</param>",
            end="</function>",
            gap="",
            cdata=True,
        ),
    ),
    _Signature(  # Apertus
        ("<|tools_prefix|>", "<|tools_suffix|>"),
        JsonListFormat(openings=("<|tools_prefix|>",), closings=("]", "<|tools_suffix|>"), by_name=True),
    ),
    _Signature(
        ("<|function_call|>",), HermesFormat(openings=("<|function_call|>",), closings=(), gap="")
    ),  # GigaChat 3.1
    _Signature(  # LongCat
        ("<longcat_tool_call>",),
        HermesFormat(openings=("<longcat_tool_call>",), closings=("</longcat_tool_call>",)),
    ),
    _Signature(  # Granite 20B FC
        ("<function_call>", "arguments"), HermesFormat(openings=("<function_call>",), closings=(), gap=" ")
    ),
    _Signature(  # Hunyuan 3
        ("<tool_calls>", "<tool_sep>", "<arg_key>"),
        TaggedFormat(
            openings=("<tool_calls>", "<tool_call>"),
            closings=("</tool_calls>",),
            call="<tool_call>",
            named="<tool_sep>",
            key="<arg_key>",
            keyed="</arg_key>",
            value="<arg_value>",
            valued="</arg_value>",
            end="</tool_call>",
            together=True,
        ),
        ("<tool_sep>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
    ),
    _Signature(  # GLM 4.5
        ("<tool_call>", "<arg_key>"),
        TaggedFormat(
            openings=("<tool_call>",),
            call="",
            named="\n",
            key="<arg_key>",
            keyed="</arg_key>",
            value="<arg_value>",
            valued="</arg_value>",
            end="</tool_call>",
        ),
        ("</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
    ),
)


def find_tool_format(template: str, control: ControlTokens) -> ToolFormat | None:
    """The format of the chat template's source; `control` are the tokenizer's control tokens (text → id).

    None for a template without tools, and for one whose calls are of an unknown kind.
    """
    for find in _FINDERS:
        found = find(template, control)
        if found is not None:
            return found
    return None


def present(control: ControlTokens, *markers: str) -> dict[str, int]:
    """Those of the markers that are control tokens."""
    return {marker: control[marker] for marker in markers if marker in control}


def _mistral(template: str, control: ControlTokens) -> ToolFormat | None:
    if "[TOOL_CALLS]" not in template:
        return None
    markers = present(control, "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
    space = " " if "[TOOL_CALLS] [" in template else ""
    return MistralFormat(named="[ARGS]" in template, space=space, control=markers)


def _signed(template: str, control: ControlTokens) -> ToolFormat | None:
    for signature in _SIGNATURES:
        if all(text in template for text in signature.texts):
            form = signature.format
            markers = (*form.openings, *form.closings, *signature.markers)
            return replace(form, control=present(control, *markers))
    return None


def _lfm(template: str, control: ControlTokens) -> ToolFormat | None:
    opening, closing = "<|tool_call_start|>", "<|tool_call_end|>"
    if opening not in template and not ("tools" in template and opening in control):
        return None
    kind = JsonListFormat if _ARGUMENTS.search(template) and '"name"' in template else PythonicFormat
    return kind(openings=(opening,), closings=("]", closing), control=present(control, opening, closing))


def _list(template: str, control: ControlTokens) -> ToolFormat | None:
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


def _hermes(template: str, control: ControlTokens) -> ToolFormat | None:
    if "<tool_call>" not in template or not _ARGUMENTS.search(template):
        return None
    return HermesFormat(control=present(control, "<tool_call>", "</tool_call>"))


def _pythonic(template: str, control: ControlTokens) -> ToolFormat | None:
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


def _llama(template: str, control: ControlTokens) -> ToolFormat | None:
    default = _PYTHON_MARKERS[0] if _LLAMA_CALL in template else None
    marker = next((marker for marker in _PYTHON_MARKERS if marker in template or marker in control), default)
    if marker is None or not _PARAMETERS.search(template):
        return None
    closing = ("<|python_end|>",) if marker == "<|python_start|>" else ()
    return LlamaFormat(openings=(marker,), closings=closing, control=present(control, marker, *closing))


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
