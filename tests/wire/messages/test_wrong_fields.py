"""Every field of a Messages request with every wrong type, and beyond its bounds: an error that names it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from forefront.wire.errors import RequestError
from forefront.wire.messages.chat_request import parse_count_tokens_request, parse_messages_request
from forefront.wire.messages.errors import error_object, messages_status
from forefront.wire.messages.request import MessagesRequest

SAMPLES: tuple[Any, ...] = (
    True,
    7,
    -1,
    10**20,
    0.5,
    1e300,
    "text",
    "",
    [],
    [[]],
    ["text"],
    [7],
    {},
    {"type": "text"},
    {"a": 1},
)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "x"}], "is_error": False}
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "5m"}}
# Accepted, and it has every field of every object.
BODY: dict[str, Any] = {
    "model": "m",
    "max_tokens": 4000,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x"} | CACHED, IMAGE | CACHED, LINK]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "y", "signature": "z"},
                {"type": "redacted_thinking", "data": "forefront:"},
                CALL | CACHED,
            ],
        },
        {"role": "user", "content": [RESULT | CACHED]},
    ],
    "system": [{"type": "text", "text": "s"} | CACHED],
    "tools": [
        {"type": "custom", "name": "f", "description": "d", "strict": True, "input_schema": {"type": "object"}} | CACHED
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low"},
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "stop_sequences": ["a"],
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 3,
    "stream": False,
} | CACHED
# Objects and texts whose content is free.
FREE = ("input_schema", "input")


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every field and entry."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in entries:
        if not (path and path[-1] in FREE):
            yield from places(inner, (*path, name))


PLACES = list(places(BODY))


def shown(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def put(path: tuple[str | int, ...], value: Any) -> bytes:
    body = json.loads(json.dumps(BODY))
    place = body
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return json.dumps(body).encode()


def test_the_body_is_accepted_and_whole() -> None:
    parse_messages_request(json.dumps(BODY).encode())
    names = {field.name for field in msgspec.structs.fields(MessagesRequest)}
    ours = {"min_p", "stop", "stop_token_ids", "min_tokens", "ignore_eos", "seed", "presence_penalty"}
    ours |= {
        "frequency_penalty",
        "repetition_penalty",
        "logit_bias",
        "regex",
        "grammar",
        "deadline_ms",
        "output_format",
    }
    assert names - ours == BODY.keys()
    for block in inspect.multi_type_info([MessagesRequest]):
        assert isinstance(block, inspect.StructType)


@pytest.mark.parametrize("path", PLACES, ids=shown)
def test_a_wrong_value_is_refused_by_name_or_fits(path: tuple[str | int, ...]) -> None:
    """An error names the field, or one that holds it or that it holds."""
    refused = 0
    for value in SAMPLES:
        try:
            parse_messages_request(put(path, value))
        except RequestError as error:
            refused += 1
            assert 400 <= messages_status(error.code) < 500
            assert error_object(error).type == "invalid_request_error"
            assert error.param is not None, (value, error.message)
            assert f"`{error.param}`" in error_object(error).message
            assert is_near(error.param, path), (value, error.param)
    assert refused >= len(SAMPLES) // 2


def is_near(param: str, path: tuple[str | int, ...]) -> bool:
    """Whether an error at `param` is one of the field, of what holds it, of what it holds, or of what depends on it."""
    own = shown(path)
    dependent = {"tools": "tool_choice", "max_tokens": "thinking", "messages": "messages"}.get(str(path[0]))
    return own.startswith(param) or param.startswith(own) or (dependent is not None and param.startswith(dependent))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PLACES),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_json_anywhere_is_refused_or_accepted(path: tuple[str | int, ...], value: Any) -> None:
    for parse in (parse_messages_request, parse_count_tokens_request):
        try:
            parsed = parse(put(path, value))
        except RequestError as error:
            assert 400 <= messages_status(error.code) < 500
        else:
            assert parsed.request.messages
