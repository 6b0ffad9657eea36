"""Formats of tool calls that a few texts of a chat template identify."""

from dataclasses import dataclass
from typing import Final

from forefront.chat.tools.formats.gemma import GemmaFormat
from forefront.chat.tools.formats.hermes import HermesFormat
from forefront.chat.tools.formats.json_list import JsonListFormat
from forefront.chat.tools.formats.named import SectionFormat
from forefront.chat.tools.formats.tagged import TaggedFormat
from forefront.chat.tools.tool_format import ToolFormat


@dataclass(frozen=True, slots=True)
class Signature:
    """A format whose templates contain all of `texts`. `markers` may be control tokens, besides those of the format."""

    texts: tuple[str, ...]
    format: ToolFormat
    markers: tuple[str, ...] = ()


_DEEPSEEK_BEGIN: Final = ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>")
_DEEPSEEK_END: Final = ("<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>")
_DEEPSEEK_SEPARATOR: Final = "<｜tool▁sep｜>"
_DSML: Final = "｜DSML｜"
_KIMI_SEPARATOR: Final = "<|tool_call_argument_begin|>"
_STEP_CALL: Final = '<｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="'


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


def _dsml(block: str) -> TaggedFormat:
    return TaggedFormat(
        openings=(f"<{_DSML}{block}>", f'<{_DSML}invoke name="'),
        closings=(f"</{_DSML}{block}>",),
        call=f'<{_DSML}invoke name="',
        named='">',
        key=f'<{_DSML}parameter name="',
        keyed='" string="true">',
        keyed_json='" string="false">',
        valued=f"</{_DSML}parameter>",
        end=f"</{_DSML}invoke>",
        together=True,
    )


def _invocations(block: str) -> TaggedFormat:
    return TaggedFormat(
        openings=(f"<{block}>", '<invoke name="'),
        closings=(f"</{block}>",),
        call='<invoke name="',
        named='">',
        key='<parameter name="',
        keyed='">',
        valued="</parameter>",
        end="</invoke>",
        together=True,
    )


# The first that fits counts.
SIGNATURES: Final = (
    Signature(  # Cohere
        ("<|START_ACTION|>",),
        JsonListFormat(
            openings=("<|START_ACTION|>",),
            closings=("]", "<|END_ACTION|>"),
            keys=("tool_name", "parameters"),
            numbered=True,
        ),
    ),
    Signature((_DSML, "function_calls"), _dsml("function_calls"), (_DSML,)),  # DeepSeek V3.2
    Signature((_DSML, "tool_calls"), _dsml("tool_calls"), (_DSML,)),  # DeepSeek V4
    Signature(  # DeepSeek R1 and V3
        ("<｜tool▁calls▁begin｜>", "```json"),
        SectionFormat(
            openings=_DEEPSEEK_BEGIN,
            closings=_DEEPSEEK_END,
            before=f"function{_DEEPSEEK_SEPARATOR}",
            after="\n```json\n",
            tail="```",
            between_calls="\n",
        ),
        (_DEEPSEEK_SEPARATOR,),
    ),
    Signature(  # DeepSeek V3.1
        ("<｜tool▁calls▁begin｜>",),
        SectionFormat(openings=_DEEPSEEK_BEGIN, closings=_DEEPSEEK_END, after=_DEEPSEEK_SEPARATOR),
        (_DEEPSEEK_SEPARATOR,),
    ),
    Signature(  # Kimi K2
        ("<|tool_calls_section_begin|>",),
        SectionFormat(
            openings=("<|tool_calls_section_begin|>", "<|tool_call_begin|>"),
            closings=("<|tool_call_end|>", "<|tool_calls_section_end|>"),
            after=_KIMI_SEPARATOR,
            counted=True,
        ),
        (_KIMI_SEPARATOR,),
    ),
    Signature(  # Functionary 3.1, and Llama 3.1's functions of its own
        ("<function=", "</function>", 'example_name"'),
        SectionFormat(openings=("<function=",), closings=("</function>",), after=">"),
    ),
    Signature(("<start_function_call>", "<end_function_call>"), GemmaFormat(), ("<escape>",)),  # FunctionGemma
    Signature(  # Gemma 4
        ("<|tool_call>", "<tool_call|>"),
        GemmaFormat(openings=("<|tool_call>",), closings=("<tool_call|>",), quote='<|"|>'),
        ('<|"|>',),
    ),
    Signature(  # Qwen3-Coder
        ("<tool_call>", "<function=", "<parameter="), _function_tags("<tool_call>", "</tool_call>", "\n")
    ),
    Signature(  # Seed-OSS
        ("<seed:tool_call>", "<function=", "<parameter="), _function_tags("<seed:tool_call>", "</seed:tool_call>", "")
    ),
    Signature(("<minimax:tool_call>",), _invocations("minimax:tool_call")),  # MiniMax M2
    Signature(("<dots_function_call>",), _invocations("dots_function_call")),  # dots 3
    Signature(  # MiniCPM 5
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
    Signature(  # Apertus
        ("<|tools_prefix|>", "<|tools_suffix|>"),
        JsonListFormat(openings=("<|tools_prefix|>",), closings=("]", "<|tools_suffix|>"), by_name=True),
    ),
    Signature(
        ("<|function_call|>",), HermesFormat(openings=("<|function_call|>",), closings=(), gap="")
    ),  # GigaChat 3.1
    Signature(  # GigaChat 3: the call is a message of its own
        ("function call", "<|role_sep|>"),
        HermesFormat(openings=("function call<|role_sep|>",), closings=(), gap="", before="\n"),
        ("<|role_sep|>",),
    ),
    Signature(  # LongCat
        ("<longcat_tool_call>",),
        HermesFormat(openings=("<longcat_tool_call>",), closings=("</longcat_tool_call>",)),
    ),
    Signature(  # Granite 20B FC
        ("<function_call>", "arguments"), HermesFormat(openings=("<function_call>",), closings=(), gap=" ")
    ),
    Signature(  # InternLM 2.5
        ("<|action_start|>", "<|plugin|>"),
        HermesFormat(
            openings=("<|action_start|><|plugin|>",),
            closings=("<|action_end|>",),
            gap="",
            before="\n",
            keys=("name", "parameters"),
        ),
        ("<|action_start|>", "<|plugin|>"),
    ),
    Signature(  # MiniMax M1
        ("<tool_calls>", "<args-json-object>"),
        HermesFormat(openings=("<tool_calls>",), closings=("</tool_calls>",), together=True),
    ),
    Signature(  # Step 3
        ('<steptml:invoke name="', "<｜tool_calls_begin｜>"),
        TaggedFormat(
            openings=("<｜tool_calls_begin｜>", _STEP_CALL),
            closings=("<｜tool_calls_end｜>",),
            call=_STEP_CALL,
            named='">',
            key='<steptml:parameter name="',
            keyed='">',
            valued="</steptml:parameter>",
            end="</steptml:invoke><｜tool_call_end｜>",
            together=True,
        ),
        ("<｜tool_call_begin｜>", "<｜tool_sep｜>", "<｜tool_call_end｜>"),
    ),
    Signature(  # Hunyuan 3
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
    Signature(  # Solar Open 2
        ("<|tool_call:start|>", "<|tool_arg:start|>"),
        TaggedFormat(
            openings=("<|tool_call:start|>",),
            call="",
            named="\n",
            key="<|tool_arg:start|>",
            keyed="<|tool_arg:value|>",
            valued="<|tool_arg:end|>",
            end="<|tool_call:end|>",
        ),
        ("<|tool_arg:start|>", "<|tool_arg:value|>", "<|tool_arg:end|>", "<|tool_call:end|>"),
    ),
    Signature(  # GLM 4.5
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
