"""The format of calls is found from what templates say."""

from pathlib import Path

import pytest

from forefront.chat.tools.format_detection import find_tool_format
from forefront.chat.tools.formats.hermes import HermesFormat
from forefront.chat.tools.formats.json_list import JsonListFormat
from forefront.chat.tools.formats.llama import LlamaFormat
from forefront.chat.tools.formats.named import MistralFormat
from forefront.chat.tools.formats.tagged import TaggedFormat
from forefront.chat.tools.tool_format import ToolFormat
from tests.chat.parsed import HERMES, LLAMA3, MISTRAL

BUILT_IN = Path("training/chat_template.jinja").read_text()

SYSTEM_PROMPT = r"""{{- "For each call, return a json object with its name and arguments within <tool_call></tool_call>:
<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}"""
QWEN = r"""{{- '<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}
{{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}"""
QWEN_CODER = r"""{{- '\n<tool_call>\n<function=' + tool_call.name + '>\n' }}
{%- for key, value in tool_call.arguments|items %}{{- '<parameter=' + key + '>\n' }}{%- endfor %}"""
GLM = r"""{{ '\n<tool_call>' + tc.name }}{% for k in tc["arguments"] %}<arg_key>{{ k }}</arg_key>{% endfor %}"""
LLAMA = r"""{{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and value}.' }}
{{- '{"name": "' + tool_call.name + '", ' }}{{- '"parameters": ' }}{{- tool_call.arguments | tojson }}{{- "}" }}"""
MISTRAL_LIST = r"""{{- "[TOOL_CALLS] [" }}{%- for tool_call in message.tool_calls %}{{- tool_call.function|tojson }}"""
NEMO = r"""{{- "[TOOL_CALLS][" }}{%- for tool_call in message.tool_calls %}{{- tool_call.function|tojson }}"""
MISTRAL_NEW = r"""{{- "[TOOL_CALLS]" + tool_call.function.name + "[ARGS]" + tool_call.function.arguments|tojson }}"""
# Its sentence and its example name different tags.
APRIEL = r"""Return all function calls as a list of json objects within <tool_call></tool_call> XML tags.
<tool_calls>[{"name": <function-name-1>, "arguments": <args-dict-1>},...]</tool_calls>{{ '\n<tool_calls>[' }}"""
NO_TOOLS = r"""{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' }}{% endfor %}"""

CONTROL = {"<|im_end|>": 3, "<|python_tag|>": 9, "[TOOL_CALLS]": 5, "[ARGS]": 32, "[CALL_ID]": 33}


@pytest.mark.parametrize(
    ("template", "control", "expected"),
    [
        (BUILT_IN, {"<|im_end|>": 3}, HERMES),
        (SYSTEM_PROMPT, {}, HERMES),
        (QWEN, {}, HERMES),
        (
            QWEN,
            {"<tool_call>": 7, "</tool_call>": 8},
            HermesFormat(control={"<tool_call>": 7, "</tool_call>": 8}),
        ),
        (LLAMA, CONTROL, LlamaFormat(control={"<|python_tag|>": 9})),
        (LLAMA + "<|python_tag|>", {}, LLAMA3),
        (MISTRAL_LIST, {}, MistralFormat(named=False, space=" ")),
        (NEMO, {}, MISTRAL),
        (
            MISTRAL_NEW,
            CONTROL,
            MistralFormat(control={"[TOOL_CALLS]": 5, "[ARGS]": 32, "[CALL_ID]": 33}),
        ),
        (APRIEL, {}, JsonListFormat(openings=("<tool_calls>",), closings=("]", "</tool_calls>"))),
        (NO_TOOLS, CONTROL, None),
        ("", {}, None),
    ],
)
def test_the_format_is_found(template: str, control: dict[str, int], expected: ToolFormat | None) -> None:
    assert find_tool_format(template, control) == expected


@pytest.mark.parametrize(("template", "end"), [(QWEN_CODER, "</function>"), (GLM, "</tool_call>")])
def test_tagged_arguments_are_distinguished_from_json(template: str, end: str) -> None:
    form = find_tool_format(template, {})
    assert isinstance(form, TaggedFormat)
    assert form.end == end


def test_control_tokens_of_calls_are_written_as_text() -> None:
    form = find_tool_format(MISTRAL_NEW, CONTROL)
    assert form is not None
    assert form.marker_bytes == {5: b"[TOOL_CALLS]", 32: b"[ARGS]", 33: b"[CALL_ID]"}
