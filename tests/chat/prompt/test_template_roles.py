"""Conversations in the roles that a template shows."""

from collections.abc import Iterator
from functools import cache, partial
from itertools import product
from typing import Any

import msgspec
import pytest

from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.template_messages import TemplateStyle, template_messages
from forefront.chat.prompt.template_roles import TemplateRoles, find_roles, with_roles
from forefront.chat.prompt.template_style import find_described_style, find_template_style
from forefront.chat.prompt.tool_instructions import described_format
from forefront.chat.tools.format_detection import find_tool_format
from forefront.wire.completions.message import Message
from forefront.wire.completions.message_validation import check_conversation
from forefront.wire.errors import RequestError
from tests.chat.lines import steps
from tests.chat.role_templates import ROLE_TEMPLATES
from tests.chat.template_corpus import CORPUS

USER, SYSTEM, TEXT = ({"role": role, "content": role} for role in ("user", "system", "assistant"))
CALL: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]}
RESULT = {"role": "tool", "content": "result", "tool_call_id": "c"}
STRICT = TemplateRoles(system="none", alternating=True, user_first=True, user_needed=True)
FIRST = TemplateRoles(system="first", user_needed=True)
TURNS = TemplateRoles(system="first", alternating=True, user_first=True)
LLAMA = TemplateRoles("first", alternating=True, user_first=True, user_needed=True)
TOOLS = [{"type": "function", "function": {"name": "call_me", "parameters": {"type": "object"}}}]


@cache
def loaded(name: str) -> tuple[ChatTemplate, TemplateRoles, TemplateStyle]:
    """A template with what is found of it, as for a model."""
    template = ChatTemplate(ROLE_TEMPLATES[name], bos_token="<s>", eos_token="</s>")
    form = find_tool_format(template.source, {})
    style = find_template_style(template, form)
    if form is None or not style.takes_tools:
        style = find_described_style(template, described_format({}))
    return template, find_roles(template), style


def conversations(length: int, *, text: bool) -> Iterator[list[Message]]:
    """All orders of roles that requests may have, each message with a text of its own; calls only if `text`."""
    kinds: dict[str, dict[str, Any]] = {
        "s": {"role": "system"},
        "u": {"role": "user"},
        "a": {"role": "assistant"},
        "c": {"role": "assistant", "tool_calls": [{"id": "abcdefghi", "function": {"name": "f", "arguments": "{}"}}]},
        "r": {"role": "tool", "tool_call_id": "abcdefghi"},
    }
    for order in product(kinds, repeat=length):
        plain = [
            kinds[kind] | ({"content": f"text-{place}."} if text or kind != "c" else {})
            for place, kind in enumerate(order)
        ]
        messages = msgspec.convert(plain, list[Message])
        try:
            check_conversation(messages)
        except RequestError:
            continue
        yield messages


@pytest.mark.parametrize(
    ("source", "roles"),
    [
        (CORPUS["chatml"], TemplateRoles()),
        (CORPUS["qwen2.5"], TemplateRoles()),
        (CORPUS["llama2"], LLAMA),
        (CORPUS["gemma"], STRICT),
        (ROLE_TEMPLATES["nemo"], STRICT),
        (ROLE_TEMPLATES["small"], TURNS),
        (ROLE_TEMPLATES["ministral"], TURNS),
        (ROLE_TEMPLATES["llama2"], LLAMA),
        (ROLE_TEMPLATES["qwen3.5"], FIRST),
        (ROLE_TEMPLATES["llama3.1"], TemplateRoles()),
    ],
)
def test_the_roles_of_templates_are_found(source: str, roles: TemplateRoles) -> None:
    assert find_roles(ChatTemplate(source, bos_token="<s>", eos_token="</s>")) == roles


@pytest.mark.parametrize("name", ROLE_TEMPLATES)
@pytest.mark.parametrize(("length", "text"), [(1, True), (2, True), (3, True), (3, False), (4, True), (5, True)])
def test_every_text_is_in_the_prompt_in_order(name: str, length: int, text: bool) -> None:
    template, roles, style = loaded(name)
    for messages in conversations(length, text=text):
        prompt = template.render(with_roles(template_messages(messages, style), roles))
        end = 0
        for message in messages:
            place = prompt.find(message.text, end)
            assert place >= 0, ([m.role for m in messages], message.text, prompt)
            end = place + len(message.text)


def test_inserted_messages_repeat_no_tools() -> None:
    template, roles, style = loaded("nemo")
    call = {"id": "abcdefghi", "function": {"name": "f", "arguments": "{}"}}
    step = [TEXT | {"tool_calls": [call]}, RESULT | {"tool_call_id": "abcdefghi"}]
    plain = template_messages(msgspec.convert([USER, *step * 4], list[Message]), style)
    assert template.render(with_roles(plain, roles), {"tools": TOOLS}).count("call_me") == 1


@pytest.mark.parametrize(
    ("messages", "roles", "expected"),
    [
        ([USER, TEXT, CALL, RESULT], STRICT, ["user", "assistant", "assistant", "tool"]),
        ([USER, CALL, TEXT, USER], STRICT, ["user", "assistant", "assistant", "user"]),
        ([CALL, RESULT, USER], TURNS, ["assistant", "tool", "user"]),
        ([USER, CALL, RESULT, USER], STRICT, ["user", "assistant", "tool", "assistant", "user"]),
        ([USER, CALL, RESULT, SYSTEM, TEXT], STRICT, ["user", "assistant", "tool", "assistant"]),
        ([USER, CALL, RESULT, SYSTEM, USER], FIRST, ["user", "assistant", "tool", "user"]),
        ([CALL, RESULT], FIRST, ["user", "assistant", "tool"]),
        ([TEXT, SYSTEM], STRICT, ["user", "assistant", "user"]),
        ([SYSTEM, SYSTEM], STRICT, ["user"]),
        ([SYSTEM], FIRST, ["user"]),
        ([SYSTEM], TURNS, ["system"]),
        ([], STRICT, []),
    ],
)
def test_roles_of_a_conversation(messages: list[Any], roles: TemplateRoles, expected: list[str]) -> None:
    shown = with_roles(messages, roles)
    assert [message["role"] for message in shown] == expected
    assert [message for message in shown if message.get("tool_calls")] == [m for m in messages if m is CALL]
    assert with_roles(messages, TemplateRoles()) == messages


def test_a_system_text_after_results_keeps_the_reasoning_of_the_turn() -> None:
    template, roles, style = loaded("qwen3.5")
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    messages = msgspec.convert(
        [
            USER,
            {"role": "assistant", "reasoning_content": "my reasons", "tool_calls": [call]},
            RESULT,
            {"role": "system", "content": "a reminder"},
        ],
        list[Message],
    )

    def prompt(shown: list[Message]) -> str:
        return template.render(with_roles(template_messages(shown, style), roles))

    assert "<think>my reasons</think>" in prompt(messages)
    assert prompt(messages).startswith(prompt(messages[:3]).removesuffix("<|im_end|>"))


@pytest.mark.parametrize("roles", [STRICT, FIRST, TURNS])
def test_empty_system_texts_leave_no_empty_lines(roles: TemplateRoles) -> None:
    empty = {"role": "system", "content": ""}
    shown = with_roles([empty, USER, TEXT, empty, USER], roles)
    assert [message for message in shown if message["role"] != "system"] == [USER, TEXT, USER]


def test_joined_messages_keep_a_name_that_all_of_them_have() -> None:
    ann, bob = USER | {"name": "Ann"}, USER | {"name": "Bob"}
    assert with_roles([ann, ann], STRICT) == [{"role": "user", "content": "user\n\nuser", "name": "Ann"}]
    for messages in ([ann, bob], [ann, USER], [USER, ann]):
        assert with_roles(messages, STRICT) == [{"role": "user", "content": "user\n\nuser"}]


def test_work_grows_with_the_number_of_messages_alone() -> None:
    def work(count: int) -> object:
        return with_roles([{"role": "user", "content": "word " * 20}] * count, STRICT)

    assert steps(partial(work, 800)) < 2.2 * steps(partial(work, 400))


def test_a_name_between_messages_without_one_is_dropped() -> None:
    texts = [{"role": "user", "content": text} for text in ("1", "2", "3")]
    texts[1]["name"] = "Ada"
    assert with_roles(texts, TemplateRoles(alternating=True)) == [{"role": "user", "content": "1\n\n2\n\n3"}]
