"""Models with one template for conversations and another for tools."""

from typing import Any

import msgspec
import pytest

from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.template_messages import template_messages
from forefront.chat.prompt.template_style import find_template_style
from forefront.chat.tools.format_detection import find_tool_format
from forefront.tokenizer.files.gguf import setting_template
from forefront.tokenizer.files.named_templates import joined_template
from forefront.wire.completions.message import Message

PLAIN = "{% for m in messages %}\n{{ m.role }}: {{ m.content }}\n{% endfor %}\n"
TOOLS = """
{%- macro shown(tool) %}{{ tool.function | tojson }}{% endmacro %}
Call <tool_call>{"name": NAME, "arguments": OBJECT}</tool_call>
{% for tool in tools %}{{ shown(tool) }}{% endfor %}
{% for m in messages %}
{{ m.role }}: {{ m.content }}
{%- for call in m.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}
{% endfor %}
"""
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {}}}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": "?"},
    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
    {"role": "tool", "tool_call_id": "c", "content": "R"},
]


@pytest.mark.parametrize("plain", [PLAIN, "\n" + PLAIN, PLAIN.strip()])
def test_each_request_gets_its_template(plain: str) -> None:
    messages = [{"role": "user", "content": "?"}]
    joined = ChatTemplate(joined_template(plain, TOOLS))
    assert joined.render(messages) == ChatTemplate(plain).render(messages)
    assert joined.render(messages, {"tools": [TOOL]}) == ChatTemplate(TOOLS).render(messages, {"tools": [TOOL]})


def test_calls_of_the_history_are_shown_by_the_template_of_tools() -> None:
    source = joined_template(PLAIN, TOOLS)
    form = find_tool_format(source, {})
    style = find_template_style(ChatTemplate(source), form)
    assert style.written is None
    messages = template_messages(msgspec.convert(CONVERSATION, list[Message]), style)
    prompt = ChatTemplate(source).render(messages, {"tools": [TOOL]})
    assert '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>' in prompt


@pytest.mark.parametrize("tool_use", [None, "", PLAIN, 3])
def test_one_template_stays_as_it_is(tool_use: object) -> None:
    assert joined_template(PLAIN, tool_use) == PLAIN


def test_a_gguf_file_with_both() -> None:
    metadata = {"tokenizer.chat_template": "d", "tokenizer.chat_template.tool_use": "t"}
    assert setting_template(metadata) == joined_template("d", "t")
