"""Errors about a value name the values that its field can have."""

from typing import Any

import msgspec
import pytest

from forefront.wire.admin.parse import parse_new_key
from forefront.wire.completions.parse import parse_chat_request
from forefront.wire.completions.request import ChatRequest
from forefront.wire.errors import RequestError
from forefront.wire.parsing.allowed_values import allowed_values

FUNCTION = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"reasoning_effort": "huge"},
            "`reasoning_effort` cannot be 'huge', only `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.",
        ),
        (
            {"tools": [FUNCTION], "tool_choice": "any"},
            "`tool_choice` cannot be 'any', only `none`, `auto` or `required`.",
        ),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "auto"}},
            "`tool_choice.type` cannot be 'auto', only `function`, `custom` or `allowed_tools`.",
        ),
    ],
)
def test_a_request_with_another_value(fields: dict[str, Any], message: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}]} | fields
    with pytest.raises(RequestError) as caught:
        parse_chat_request(msgspec.json.encode(body))
    assert caught.value.message == message


def test_a_key_with_another_scope() -> None:
    with pytest.raises(RequestError) as caught:
        parse_new_key(b'{"name": "x", "scopes": ["chat", "all"]}')
    assert caught.value.message.endswith(" cannot be 'all', only `chat`, `models`, `admin` or `metrics`.")


def test_fields_without_a_fixed_set() -> None:
    for path in ("", "model", "no.such[0].field", "messages[0].content"):
        assert allowed_values(ChatRequest, path) == []
