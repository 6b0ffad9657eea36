"""Reading a struct as a mapping."""

import pytest

from forefront.wire.completions.response import ResponseMessage, Usage


def test_fields_are_keys() -> None:
    message = ResponseMessage(role="assistant", content="Hi")
    assert message["content"] == message.content == message.get("content") == "Hi"
    assert message.to_dict() == {"role": "assistant", "content": "Hi", "refusal": None}
    assert dict(message) == {**message} == message.to_dict() | dict.fromkeys(list(message)[2:])
    assert list(message)[:3] == ["role", "content", "refusal"]
    assert "content" in message
    assert "other" not in message


def test_absent_fields() -> None:
    message = ResponseMessage(role="assistant", content="Hi")
    assert message.get("other") is None
    assert message.get("other", 3) == 3
    with pytest.raises(KeyError, match="other"):
        message["other"]
    with pytest.raises(KeyError):
        message["to_dict"]
    assert not hasattr(message, "other")


def test_usage_has_both_namings() -> None:
    usage = Usage.of(28, 10, 4)
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (28, 10, 38)
    assert (usage.prompt_tokens, usage.completion_tokens) == (28, 10)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 4
