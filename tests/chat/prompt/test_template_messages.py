"""Conversations as templates take them."""

import json
from typing import Any

import msgspec
import pytest

from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.template_messages import TemplateStyle, template_messages
from forefront.chat.prompt.template_style import find_template_style
from forefront.wire.completions.message import Message
from tests.chat.parsed import HERMES, LLAMA3, MISTRAL
from tests.chat.tool_formats import FORMS


def messages(*ids: str, arguments: str = '{"a": 1}') -> list[Message]:
    calls = [{"id": id_, "function": {"name": f"f{place}", "arguments": arguments}} for place, id_ in enumerate(ids)]
    results = [{"role": "tool", "tool_call_id": id_, "content": f"result of {id_}"} for id_ in reversed(ids)]
    question: dict[str, Any] = {"role": "user", "content": "?"}
    turn = [question, {"role": "assistant", "content": "I look.", "tool_calls": calls}, *results]
    return msgspec.convert([*turn, *turn, question], list[Message])


def parsed(shown: list[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    """Role, content, and ids of each message."""
    return [(message["role"], message["content"], _ids(message)) for message in shown]


def _ids(message: dict[str, Any]) -> list[str]:
    if "tool_call_id" in message:
        return [message["tool_call_id"]]
    return [call["id"] for call in message.get("tool_calls", ())]


def test_calls_are_rendered_unchanged() -> None:
    shown = template_messages(messages("call_1", "call_2"))
    assert shown[1]["tool_calls"][1] == {
        "id": "call_2",
        "type": "function",
        "function": {"name": "f1", "arguments": {"a": 1}},
    }
    assert parsed(shown)[:4] == [
        ("user", "?", []),
        ("assistant", "I look.", ["call_1", "call_2"]),
        ("tool", "result of call_2", ["call_2"]),
        ("tool", "result of call_1", ["call_1"]),
    ]
    assert [message.get("name") for message in shown[2:4]] == ["f1", "f0"]


def test_mistral_call_ids_have_nine_characters() -> None:
    given = ("call_0123456789abcdef", "aB3dE6gH9", "x", "é" * 9)
    shown = template_messages(messages(*given), TemplateStyle(short_ids=True))
    ids = [call["id"] for call in shown[1]["tool_calls"]]
    assert all(len(id_) == 9 and id_.isascii() and id_.isalnum() for id_ in ids)
    assert len(set(ids)) == 4
    assert ids[1] == given[1]
    assert [message["tool_call_id"] for message in shown[2:6]] == ids[::-1]


def test_counted_ids_have_the_names_of_calls_and_go_on_through_the_conversation() -> None:
    shown = template_messages(messages("a", "b"), TemplateStyle(counted_ids=True))
    turns = [[call["id"] for call in message["tool_calls"]] for message in shown if message.get("tool_calls")]
    assert turns == [["functions.f0:0", "functions.f1:1"], ["functions.f0:2", "functions.f1:3"]]
    results = [message["tool_call_id"] for message in shown if message["role"] == "tool"]
    assert results == ["functions.f1:1", "functions.f0:0", "functions.f1:3", "functions.f0:2"]


def test_each_call_is_a_message_where_templates_take_one_call() -> None:
    turn = [
        ("user", "?", []),
        ("assistant", "I look.", ["1"]),
        ("tool", "result of 1", ["1"]),
        ("assistant", "", ["2"]),
        ("tool", "result of 2", ["2"]),
        ("assistant", "", ["3"]),
        ("tool", "result of 3", ["3"]),
    ]
    shown = template_messages(messages("1", "2", "3"), TemplateStyle(single=True))
    assert parsed(shown) == [*turn, *turn, turn[0]]
    assert [message["name"] for message in shown if message["role"] == "tool"][:3] == ["f0", "f1", "f2"]


LOOP = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n"
CALLS = "{% for c in m.tool_calls or [] %}[{{ c.function.name }} ARGUMENTS]{% endfor %}"


def shown(arguments: str) -> str:
    return CALLS.replace("ARGUMENTS", arguments)


AS_OBJECT = TemplateStyle(text_fallback=True)
AS_TEXT = TemplateStyle(text_arguments=True, text_fallback=True)
RAISE = "{{ raise_exception('no') }}"


@pytest.mark.parametrize(
    ("source", "form", "expected"),
    [
        (LOOP + shown("{{ c.function.arguments | tojson }}") + "{% endfor %}", HERMES, AS_OBJECT),
        (LOOP + shown("{{ '' + c.function.arguments }}") + "{% endfor %}", HERMES, AS_TEXT),
        (LOOP + shown("{{ c.function.arguments }}") + "{% endfor %}", HERMES, AS_TEXT),
        (
            LOOP + "{% if m.tool_calls %}{{ m.tool_calls[0].function | tojson }}{% endif %}{% endfor %}",
            LLAMA3,
            TemplateStyle(single=True, text_fallback=True),
        ),
        (
            LOOP
            + "{% if m.tool_calls and m.tool_calls[0].id | length != 9 %}" + RAISE + "{% endif %}"
            + shown("{{ c.function.arguments | tojson }}")
            + "{% endfor %}",
            MISTRAL,
            TemplateStyle(short_ids=True, text_fallback=True),
        ),
        (
            LOOP + shown("{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}") + "{% endfor %}",
            HERMES,
            TemplateStyle(),
        ),
        (
            LOOP
            + "{% for c in m.tool_calls or [] %}{{ c.id }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}",
            FORMS["kimi"],
            TemplateStyle(counted_ids=True, text_fallback=True),
        ),
        (LOOP + "{% endfor %}", HERMES, TemplateStyle(written=HERMES)),
        (
            LOOP + "{% if m.role == 'tool' %}" + RAISE + "{% endif %}{% endfor %}",
            HERMES,
            TemplateStyle(written=HERMES, user_results=True),
        ),
    ],
)  # fmt: skip
def test_template_features_are_detected_by_rendering(source: str, form: Any, expected: TemplateStyle) -> None:
    found = find_template_style(ChatTemplate(source + "{# tools #}"), form)
    assert found == expected
    prompt = ChatTemplate(source).render(template_messages(messages("1", "2"), found))
    for text in ("f0", "f1", "result of 1", "result of 2"):
        assert prompt.count(text) >= 2
    for arguments in ('{"city": "Ro', "[1", "7", '"Rome"', "Rome"):
        prompt = ChatTemplate(source).render(template_messages(messages("1", "2", arguments=arguments), found))
        assert any(text in prompt for text in (arguments, json.dumps(arguments)[1:-1]))
