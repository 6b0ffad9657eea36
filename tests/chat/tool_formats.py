"""Every format of calls, with and without control tokens for its markers."""

import dataclasses
from typing import Any

from forefront.chat.tools.format_detection import find_tool_format
from forefront.chat.tools.tool_format import ToolFormat

# The parts of a chat template by which its format is detected.
TEMPLATE_TEXTS = {
    "hermes": r"""<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call>""",
    "llama3": r"""<|python_tag|> {"name": function name, "parameters": dictionary}""",
    "mistral": r"""[TOOL_CALLS] [{"name": name, "arguments": {}}]""",
    "nemo": r"""[TOOL_CALLS][{"name": name, "arguments": {}}]""",
    "mistral-named": r"""[TOOL_CALLS]name[ARGS]{}""",
    "granite": r"""<|tool_call|> tools""",
    "phi": r"""<|tool_call|>[]<|/tool_call|>""",
    "functools": r"""functools[{"name": "f", "arguments": {}}]""",
    "cohere": r"""<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {}}]<|END_ACTION|>""",
    "nemotron": r"""<TOOLCALL>[{"name": "f", "arguments": {}}]</TOOLCALL>""",
    "deepseek-v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```",
    "deepseek-v3.1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}",
    "deepseek-v3.2": """<｜DSML｜function_calls>\n<｜DSML｜invoke name="f">""",
    "deepseek-v4": """<｜DSML｜tool_calls>\n<｜DSML｜invoke name="f">""",
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}",
    "function-gemma": "<start_function_call>call:f{a:<escape>b<escape>}<end_function_call>",
    "gemma4": """<|tool_call>call:f{a:<|"|>b<|"|>}<tool_call|>""",
    "lfm2": "<|tool_call_start|>[f(a=1)]<|tool_call_end|> tools",
    "lfm2-json": """<|tool_call_start|>[{"name": "f", "arguments": {}}]<|tool_call_end|> tools""",
    "qwen-coder": "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
    "seed": "<seed:tool_call>\n<function=f>\n<parameter=a>1</parameter>\n</function>\n</seed:tool_call>",
    "glm": "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>",
    "minimax": """<minimax:tool_call>\n<invoke name="f">\n<parameter name="a">1</parameter>\n</invoke>""",
    "dots3": """<dots_function_call>\n<invoke name="f">\n<parameter name="a">1</parameter>\n</invoke>""",
    "minicpm": """<function name="f"><param name="a">1</param></function>""",
    "apertus": """<|tools_prefix|>[{"f": {}}]<|tools_suffix|>""",
    "gigachat": """<|function_call|>{"name": "f", "arguments": {}}""",
    "gigachat3": """"<|role_sep|>\\n" {'role': 'function call', 'content': '{"name": "f", "arguments": {}}'}""",
    "longcat": """<longcat_tool_call>{"name": "f", "arguments": {}}</longcat_tool_call>""",
    "granite-20b": """<function_call> {"name": "f", "arguments": {}}""",
    "functionary": """<function=example_function_name>{"example_name": "example_value"}</function>""",
    "hunyuan3": "<tool_calls>\n<tool_call>f<tool_sep>\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>",
    "internlm": """<|action_start|><|plugin|>\\n{"name": "f", "parameters": {}}<|action_end|>""",
    "solar-open2": "<|tool_call:start|>f\n<|tool_arg:start|>a<|tool_arg:value|>1<|tool_arg:end|>\n<|tool_call:end|>",
    "minimax-m1": """<tool_calls>\\n{"name": <tool-name>, "arguments": <args-json-object>}\\n</tool_calls>""",
    "step3": """<｜tool_calls_begin｜>\\n<｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="f">""",
    "list": """tools: [{"name": "f", "arguments": {}}]""",
    "pythonic": "Answer with [func_name(params_name1=params_value1)]",
    "tool-code": "```tool_code\nf(a=1)\n```",
    "olmo3": "<function_calls>\nf(a=1)\n</function_calls>",
}
# Formats whose values are not JSON, so that a value is read by its schema.
TYPED = (
    "function-gemma",
    "gemma4",
    "lfm2",
    "qwen-coder",
    "seed",
    "glm",
    "minimax",
    "dots3",
    "minicpm",
    "hunyuan3",
    "step3",
    "solar-open2",
    "deepseek-v3.2",
    "deepseek-v4",
    "pythonic",
    "tool-code",
    "olmo3",
)
# Those that show a call when it is complete.
WHOLE = ("function-gemma", "gemma4", "lfm2", "pythonic", "tool-code", "olmo3")


def form_of(name: str) -> ToolFormat:
    """The format, none of its markers a control token."""
    form = find_tool_format(TEMPLATE_TEXTS[name], {})
    assert form is not None, name
    return form


FORMS = {name: form_of(name) for name in TEMPLATE_TEXTS}


def markers(form: ToolFormat) -> list[str]:
    """The markers of a format that may be control tokens."""
    if "DSML" in str(form):
        return ["｜DSML｜"]
    names = [*form.openings, *form.closings, getattr(form, "quote", ""), getattr(form, "fence", "")]
    extra = {"MistralFormat": ["[ARGS]", "[CALL_ID]"], "SectionFormat": [getattr(form, "after", "").strip()]}
    names += extra.get(type(form).__name__, [])
    if type(form).__name__ == "TaggedFormat" and "<arg_key>" in str(form):
        names += ["<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "</tool_call>"]
    if "<|tool_arg:end|>" in str(form):
        names += ["<|tool_arg:start|>", "<|tool_arg:value|>", "<|tool_arg:end|>", "<|tool_call:end|>"]
    if "<|role_sep|>" in str(form):
        names = ["<|role_sep|>"]
    if "<|plugin|>" in str(form):
        names = ["<|action_start|>", "<|plugin|>", "<|action_end|>"]
    usual: list[str] = [
        name for name in names if name[:1] in ("<", "[") and name.endswith((">", "]")) and len(name) > 3
    ]
    return list(dict.fromkeys(usual))


def controlled(form: ToolFormat, first: int) -> ToolFormat:
    """The same format, its markers control tokens with ids from `first` on."""
    control = {marker: first + place for place, marker in enumerate(markers(form))}
    return dataclasses.replace(form, control=control)


PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "exact": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "unit": {"enum": ["celsius", "kelvin"]},
        "height": {"type": ["number", "null"]},
        "where": {"$ref": "#/$defs/point"},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}},
}
