"""Requests of the Responses API with every wrong type and bound, at every place of their schema."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.server.responses.api import parse_response_request
from forefront.wire.errors import ERRORS, RequestError
from forefront.wire.responses.request import ResponsesRequest

# A request with every field and every kind of item.
FULL: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": "Hello"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "so"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "12"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "13"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]},
    ],
    "instructions": "Be kind",
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "regex", "definition": "a+"}},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "parallel_tool_calls": True,
    "max_tool_calls": 1,
    "text": {"format": {"type": "text"}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": 8,
    "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
    "top_logprobs": 2,
    "stream": True,
    "stream_options": {},
    "store": False,
    "background": False,
    "truncation": "disabled",
    "service_tier": "auto",
    "metadata": {"a": "b"},
    "user": "u",
    "temperature": 0.5,
    "top_p": 0.9,
}
WRONG: list[Any] = [True, 0, -1, 2**63, 1.5, "", "x", "x" * 600, [], [None], [1], {}, {"type": "x"}, {"x": None}]


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value."""
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    return [path, *(place for name, child in children for place in places(child, (*path, name)))]


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The full request with another value at a place."""
    root: Any = json.loads(json.dumps(FULL))
    place = root
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return dict(root)


def read(body: dict[str, Any]) -> RequestError | None:
    try:
        parse_response_request(json.dumps(body).encode())
    except RequestError as error:
        return error
    return None


def test_the_full_request_is_taken() -> None:
    assert read(FULL) is None
    known = {field.name for field in msgspec.structs.fields(ResponsesRequest)}
    assert set(FULL) <= known


@pytest.mark.parametrize("path", places(FULL)[1:], ids=lambda path: ".".join(map(str, path)))
def test_a_wrong_value_is_refused_by_name(path: tuple[str | int, ...]) -> None:
    for value in WRONG:
        error = read(changed(path, value))
        if error is not None:
            assert ERRORS[error.code].status in (400, 422), (value, error)
            assert error.param is not None, (value, error)
            # Rules between fields name either of them.
            assert error.param.partition(".")[0].partition("[")[0] in FULL, (value, error.param)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(places(FULL)[1:]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_value_is_taken_or_refused(path: tuple[str | int, ...], value: Any) -> None:
    error = read(changed(path, value))
    assert error is None or ERRORS[error.code].status in (400, 404, 422)
