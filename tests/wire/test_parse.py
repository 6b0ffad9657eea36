"""From a request's bytes to a request: what is accepted, and how everything else is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.wire.errors import ApiError
from forefront.wire.parse import ParsedRequest, parse_chat_request
from forefront.wire.request import ChatRequest, Message

USER = {"role": "user", "content": "Hello"}
MISSING = object()


def parse(**fields: Any) -> ParsedRequest:
    body = {"model": "m", "messages": [USER], **fields}
    return parse_chat_request(
        json.dumps({name: value for name, value in body.items() if value is not MISSING}).encode()
    )


def refusal(**fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(**fields)
    return caught.value


def test_the_least() -> None:
    parsed = parse()
    assert parsed == ParsedRequest(ChatRequest(model="m", messages=[Message(role="user", content="Hello")]), ())
    assert parsed.request.stops == []


def test_the_documented_curl_body() -> None:
    parsed = parse_chat_request(b"""{
    "model": "REPLACE_WITH_MODEL_STRING",
    "messages": [
       {
          "role": "user",\x20
          "content": "Write a recipe for an italian dinner"
       }
    ],
    "temperature": 0.1,
    "max_tokens": 128,
}""")
    assert (parsed.request.temperature, parsed.request.max_tokens) == (0.1, 128)


def test_everything() -> None:
    fields: dict[str, Any] = {
        "max_tokens": 1, "temperature": 0, "top_p": 1, "top_k": 0, "min_p": 0, "stop": ["a", "b"], "seed": -1, "n": 16,
        "logprobs": True, "top_logprobs": 20, "presence_penalty": -2, "frequency_penalty": 2, "repetition_penalty": 1,
        "logit_bias": {"12": -100}, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert set(fields) | {"model", "messages"} == set(ChatRequest.__struct_fields__)
    request = parse(**fields).request
    assert request.stops == ["a", "b"]
    assert request.stream_options is not None
    assert request.stream_options.include_usage
    assert parse(stop="x").request.stops == ["x"]


def test_null_means_left_out() -> None:
    names = set(ChatRequest.__struct_fields__) - {"model", "messages"}
    assert parse(**dict.fromkeys(names)) == parse(tools=None, temeperature=None, foo=None) == parse()


MISSING_PARAMETER = (400, "missing_parameter")
TYPE = (422, "invalid_type")
VALUE = (422, "invalid_value")
UNKNOWN = (422, "unknown_parameter")
UNSUPPORTED = (400, "unsupported_parameter")


@pytest.mark.parametrize(
    ("fields", "kind", "param", "message"),
    [
        ({"model": MISSING}, MISSING_PARAMETER, "model", "`model` is required."),
        ({"model": None}, MISSING_PARAMETER, "model", "`model` is required."),
        ({"model": ""}, VALUE, "model", "`model` must have at least 1 character."),
        ({"model": 3}, TYPE, "model", "`model` must be a string, not an integer."),
        ({"messages": MISSING}, MISSING_PARAMETER, "messages", "`messages` is required."),
        ({"messages": []}, VALUE, "messages", "`messages` must have at least 1 item."),
        ({"messages": [USER] * 4097}, VALUE, "messages", "`messages` must have at most 4096 items."),
        ({"messages": "x"}, TYPE, "messages", "`messages` must be an array, not a string."),
        ({"messages": ["x"]}, TYPE, "messages[0]", "`messages[0]` must be an object, not a string."),
        ({"messages": [None]}, TYPE, "messages[0]", "`messages[0]` must be an object, not null."),
        ({"messages": [USER, {"role": "user"}]}, MISSING_PARAMETER, "messages[1].content", "[1].content` is required."),
        ({"messages": [{"content": "x"}]}, MISSING_PARAMETER, "messages[0].role", "`messages[0].role` is required."),
        (
            {"messages": [USER, USER | {"role": "robot"}]},
            VALUE,
            "messages[1].role",
            "`messages[1].role` must be `system`, `user` or `assistant`, not 'robot'.",
        ),
        ({"messages": [USER | {"role": 1}]}, TYPE, "messages[0].role", "must be a string, not an integer."),
        ({"messages": [USER | {"content": None}]}, TYPE, "messages[0].content", "must be a string, not null."),
        ({"messages": [USER | {"contents": "x"}]}, UNKNOWN, "messages[0].contents", "did you mean `content`?"),
        ({"messages": [USER | {"tool_calls": [1]}]}, UNSUPPORTED, "messages[0].tool_calls", "is not supported here."),
        ({"max_tokens": 0}, VALUE, "max_tokens", "`max_tokens` must be an integer of at least 1."),
        ({"max_tokens": -1}, VALUE, "max_tokens", "`max_tokens` must be an integer of at least 1."),
        ({"max_tokens": 2**31}, VALUE, "max_tokens", "`max_tokens` must be an integer of at most 2147483647."),
        ({"max_tokens": 10**40}, VALUE, "max_tokens", "`max_tokens` must be an integer of at most 2147483647."),
        ({"max_tokens": -(10**40)}, VALUE, "max_tokens", "`max_tokens` must be an integer of at least 1."),
        ({"max_tokens": 1.5}, TYPE, "max_tokens", "`max_tokens` must be an integer, not a number."),
        ({"max_tokens": "10"}, TYPE, "max_tokens", "`max_tokens` must be an integer, not a string."),
        ({"max_tokens": True}, TYPE, "max_tokens", "`max_tokens` must be an integer, not a boolean."),
        ({"temperature": 2.5}, VALUE, "temperature", "`temperature` must be a number of at most 2."),
        ({"temperature": -0.1}, VALUE, "temperature", "`temperature` must be a number of at least 0."),
        ({"temperature": "hot"}, TYPE, "temperature", "`temperature` must be a number, not a string."),
        ({"temperature": 10**400}, VALUE, "temperature", "`temperature`: number out of range."),
        ({"top_p": 0}, VALUE, "top_p", "`top_p` must be a number of more than 0."),
        ({"stop": [1]}, TYPE, "stop[0]", "`stop[0]` must be a string, not an integer."),
        ({"stop": ""}, VALUE, "stop", "`stop` must have at least 1 character."),
        ({"stop": ["a"] * 17}, VALUE, "stop", "`stop` must have at most 16 items."),
        ({"stop": {}}, TYPE, "stop", "`stop` must be a string or an array, not an object."),
        ({"seed": 2**63}, VALUE, "seed", "`seed` must be an integer of at most 9223372036854775807."),
        ({"n": 17}, VALUE, "n", "`n` must be an integer of at most 16."),
        ({"stream": "yes"}, TYPE, "stream", "`stream` must be true or false, not a string."),
        ({"logit_bias": {"a": 1}}, VALUE, "logit_bias", "must be token ids"),
        ({"logit_bias": {"1": 101}}, VALUE, "logit_bias", "at most 100"),
        ({"top_logprobs": 2}, VALUE, "top_logprobs", "`top_logprobs` needs `logprobs` to be true."),
        ({"stream_options": {}}, VALUE, "stream_options", "`stream_options` needs `stream` to be true."),
        (
            {"stream": True, "stream_options": {"includeusage": True}},
            UNKNOWN,
            "stream_options.includeusage",
            "did you mean `include_usage`?",
        ),
        ({"temprature": 1}, UNKNOWN, "temprature", "`temprature` is not a parameter; did you mean `temperature`?"),
        ({"max_token": 1}, UNKNOWN, "max_token", "`max_token` is not a parameter; did you mean `max_tokens`?"),
        ({"temeperature": 1, "temperature": 2}, VALUE, "temeperature", "and `temperature` mean the same"),
        ({"max_completion_tokens": 1, "max_tokens": 2}, VALUE, "max_completion_tokens", "different values"),
        ({"tools": [{}]}, UNSUPPORTED, "tools", "`tools` is not supported here."),
        ({"response_format": {"type": "json_object"}}, UNSUPPORTED, "response_format", "is not supported here."),
        ({f"unknown{i:04}": i for i in range(65)}, UNKNOWN, "unknown0064", "More than 64 unknown parameters."),
        ({"messages": [USER | {"xyz": 1}] * 65}, UNKNOWN, "messages[64]", "More than 64 unknown parameters."),
    ],
)  # fmt: skip
def test_refusals(fields: dict[str, Any], kind: tuple[int, str], param: str, message: str) -> None:
    error = refusal(**fields)
    assert ((error.status, error.code), error.param) == (kind, param)
    assert message in error.message


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"3", b"null", b"true"])
def test_the_body_is_an_object(body: bytes) -> None:
    with pytest.raises(ApiError, match="must be a JSON object") as caught:
        parse_chat_request(body)
    assert (caught.value.status, caught.value.code, caught.value.param) == (422, "invalid_type", None)


@pytest.mark.parametrize("number", [b"NaN", b"1e400", b"-Infinity", b"1" * 5000])
def test_numbers_that_json_lacks(number: bytes) -> None:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": ' + number + b"}"
    with pytest.raises(ApiError) as caught:
        parse_chat_request(body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_aliases() -> None:
    assert parse(temeperature=1) == parse(temperature=1) == parse(temeperature=1, temperature=1)
    assert parse(max_completion_tokens=5) == parse(max_tokens=5)
    assert refusal(temeperature="x").param == "temperature"


def test_unknown_fields_are_let_through_by_name() -> None:
    parsed = parse(
        messages=[USER, USER | {"refusal_reason": "x"}],
        user="me",
        stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False},
        tools=[],
    )
    assert parsed.ignored == ("user", "messages[1].refusal_reason", "stream_options.include_obfuscation")
    assert parsed.request.messages[1] == Message(role="user", content="Hello")


NUMERIC = [
    "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "n", "top_logprobs", "presence_penalty",
    "frequency_penalty", "repetition_penalty",
]  # fmt: skip


@given(st.sampled_from(NUMERIC), st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_taken_or_refused_by_name(name: str, number: float) -> None:
    try:
        taken = getattr(parse(**{name: number}, logprobs=True).request, name)
    except ApiError as error:
        assert (error.status, error.param) == (422, name)
    else:
        assert taken == number
