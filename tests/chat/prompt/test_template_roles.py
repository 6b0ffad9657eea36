"""Conversations in the roles that a template shows."""

from functools import partial
from typing import Any

import pytest

from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.template_roles import TemplateRoles, find_roles, with_roles
from tests.chat.lines import steps
from tests.chat.template_corpus import CORPUS

USER, SYSTEM, TEXT = ({"role": role, "content": role} for role in ("user", "system", "assistant"))
CALL: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]}
RESULT = {"role": "tool", "content": "result", "tool_call_id": "c"}
STRICT = TemplateRoles(system="none", alternating=True, user_first=True)


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("chatml", TemplateRoles()),
        ("qwen2.5", TemplateRoles()),
        ("llama2", TemplateRoles(system="first", alternating=True, user_first=True)),
        ("gemma", TemplateRoles(system="none")),
    ],
)
def test_the_roles_of_templates_are_found(name: str, roles: TemplateRoles) -> None:
    assert find_roles(ChatTemplate(CORPUS[name], bos_token="<s>", eos_token="</s>")) == roles


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER, CALL, SYSTEM, RESULT, TEXT], ["user", "assistant", "tool", "user", "assistant"]),
        ([USER, TEXT, CALL, RESULT, CALL, RESULT], ["user", "assistant", "tool", "assistant", "tool"]),
        ([USER, CALL, TEXT, USER], ["user", "assistant", "assistant", "user"]),
        ([TEXT, SYSTEM], ["user", "assistant", "user"]),
        ([SYSTEM], ["user"]),
        ([], []),
    ],
)
def test_results_stay_behind_their_calls(messages: list[Any], expected: list[str]) -> None:
    shown = with_roles(messages, STRICT)
    assert [message["role"] for message in shown] == expected
    for message in shown:
        assert (message.get("tool_calls") is None) or message["tool_calls"] == CALL["tool_calls"]
    assert with_roles(messages, TemplateRoles()) == messages


def test_work_grows_with_the_number_of_messages_alone() -> None:
    def work(count: int) -> object:
        return with_roles([{"role": "user", "content": "word " * 20}] * count, STRICT)

    assert steps(partial(work, 800)) < 2.2 * steps(partial(work, 400))
