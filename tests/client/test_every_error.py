"""For any arguments, environment and responses, an exception of the SDK is a `ForefrontError`."""

import asyncio
import pickle
from collections import UserDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront import (
    APIError,
    APIStatusError,
    AsyncForefrontClient,
    ForefrontClient,
    ForefrontError,
    InvalidArgumentError,
    Timeout,
)
from tests.client.fakes import DONE, USER, Body, Server, events, frame, stream_of

CONTAINS_ITSELF: list[Any] = []
CONTAINS_ITSELF.append(CONTAINS_ITSELF)
CONTAINS_ITSELF_MAPPING: UserDict[str, Any] = UserDict()
CONTAINS_ITSELF_MAPPING["a"] = CONTAINS_ITSELF_MAPPING


def deep(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**400, -(10**5000), float("nan"), float("inf"), 1e300, 5e-324),
    *("", "a", "\ud800", "a\r\nb: c", "é", "\0", "x" * 70_000, "..", "🎉"),
    *(b"bytes", bytearray(b"a"), datetime(2026, 1, 1, tzinfo=UTC), Decimal("0.5"), 1j, object(), object, print),
    *([], {}, (), {"a"}, {1: 2}, {"\ud800": 1}, {(1, 2): 3}, {b"a": 1}, {"a": float("nan")}, [[float("inf")]]),
    *(CONTAINS_ITSELF, CONTAINS_ITSELF_MAPPING, deep(100_000), UserDict(a=1), [b"a"], {"a": {"b": "\udfff"}}),
    *({"x-a": "1\n2"}, {"x a": "1"}, {"": ""}, {"x-a": 1}, {"x-é": "a"}, {"x-a": "é"}, {"x-a": "\ud83d"}),
]
odd = st.sampled_from(range(len(ODD))).map(ODD.__getitem__)
PARAMS = ("model", "temperature", "stop", "tools", "logit_bias", "metadata", "response_format", "stream_options")
CALL_OPTIONS = ("extra_body", "extra_headers", "timeout", "idempotency_key")


def only_sdk_errors(call: Callable[[], Any]) -> None:
    try:
        call()
    except ForefrontError as error:
        str(error).encode()  # can be printed
        assert "sk-canary" not in repr(error)


@settings(max_examples=300, deadline=None)
@given(messages=odd, stream=odd, params=st.dictionaries(st.sampled_from([*PARAMS, *CALL_OPTIONS]), odd, max_size=3))
def test_arguments_of_a_call(messages: Any, stream: Any, params: dict[str, Any]) -> None:
    chat = Server().client().chat.completions
    only_sdk_errors(lambda: chat.create(messages=messages, stream=stream, **params))
    only_sdk_errors(lambda: chat.create(messages=USER, **params))
    only_sdk_errors(lambda: chat.create(messages=[{"role": "user", "content": messages}], **params))


@settings(max_examples=150, deadline=None)
@given(value=odd)
def test_arguments_of_other_calls(value: Any) -> None:
    client = Server().client()
    only_sdk_errors(lambda: client.completions.create(prompt=value))
    only_sdk_errors(lambda: client.completions.create(prompt=[value]))
    only_sdk_errors(lambda: client.models.retrieve(value))
    only_sdk_errors(lambda: client.chat.completions.parse(messages=USER, response_format=value))
    only_sdk_errors(lambda: client.chat.completions.parse(messages=USER, response_format={"type": value}))
    only_sdk_errors(lambda: client.chat.completions.preflight(messages=value))
    only_sdk_errors(lambda: client.chat.completions.stream(messages=USER, stream_options=value).close())
    for make in (lambda: Timeout(read=value), lambda: Timeout(total=value), lambda: Timeout(connect=value)):
        only_sdk_errors(make)


@settings(max_examples=300, deadline=None)
@given(
    arguments=st.dictionaries(
        st.sampled_from(
            ["api_key", "default_model", "base_url", "timeout", "max_retries", "headers", "http_client", "nonsense"]
        ),
        odd,
        max_size=2,
    )
)
def test_arguments_of_the_clients(arguments: dict[str, Any]) -> None:
    options = {"api_key": "sk-canary", **arguments}
    if "nonsense" not in options:
        only_sdk_errors(lambda: ForefrontClient(**options).close())
        only_sdk_errors(lambda: asyncio.run(AsyncForefrontClient(**options).close()))
    only_sdk_errors(lambda: Server().client().with_options(**arguments).models.list())


URL_PARTS = st.sampled_from(
    [
        *("http://", "https://", "//", "ftp://", "a..b", "x" * 70, "%zz", "99999", "[::1]", "/v1", "..", "1.2.3.4"),
        *("xn--", "::", "user:hunter2@", "localhost:1", *"h%:0[]@?# \n\t\0\\/*é．\ud800"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(URL_PARTS, max_size=5))
def test_base_urls(parts: list[str]) -> None:
    server = Server()
    only_sdk_errors(lambda: server.client(base_url="".join(parts)).models.list())
    only_sdk_errors(lambda: server.client(base_url="http://" + "".join(parts)).models.list())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "choices",
        "delta",
        "message",
        "index",
        "content",
        "usage",
        "error",
        "finish_reason",
        "tool_calls",
        "prompt_tokens",
        "code",
        "param",
        "data",
        "id",
        "type",
        "logprobs",
        "created",
        "completion_tokens",
        "object",
        "receipt",
        "total_tokens",
    ]
)
BODIES = st.recursive(
    JSON, lambda inner: st.dictionaries(FIELDS, inner, max_size=4) | st.lists(inner, max_size=2), max_leaves=12
)


@settings(max_examples=300, deadline=None)
@given(body=BODIES, status=st.sampled_from([200, 204, 302, 400, 429, 503, 599]))
def test_bodies(body: Any, status: int) -> None:
    client = Server(lambda _: httpx.Response(status, json=body)).client()
    for call in (
        lambda: client.chat.completions.create(messages=USER),
        lambda: client.chat.completions.parse(messages=USER, response_format={"type": "object"}),
        lambda: client.chat.completions.preflight(messages=USER),
        lambda: client.completions.create(prompt="a"),
        client.models.list,
        lambda: client.models.retrieve("m"),
    ):
        only_sdk_errors(call)


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(BODIES, max_size=4), choices=st.lists(BODIES, max_size=3))
def test_chunks(chunks: list[Any], choices: list[Any]) -> None:
    chunks = [*chunks, {"choices": choices}, *({"choices": [{"delta": choice}]} for choice in choices)]
    pieces = [frame(chunk) for chunk in chunks]

    def read_all() -> None:
        with Server(stream_of(Body([*pieces, DONE]))).client().chat.completions.stream(messages=USER) as stream:
            list(stream.text)
            stream.final_completion()

    only_sdk_errors(read_all)
    only_sdk_errors(
        lambda: list(Server(stream_of(Body(pieces))).client().chat.completions.create(messages=USER, stream=True))
    )


@pytest.mark.parametrize("depth", [100, 300, 600, 900, 5000])
def test_deep_chunks(depth: int) -> None:
    chunk = f'data: {{"choices": [{{"delta": {{"a": {"[" * depth + "]" * depth}}}}}]}}\n\n'.encode()

    def read_all() -> None:
        with Server(stream_of(Body([chunk, DONE]))).client().chat.completions.stream(messages=USER) as stream:
            stream.final_completion()

    only_sdk_errors(read_all)


@pytest.mark.parametrize("headers", [{"retry-after": value} for value in ("-1", "nan", "Mon", "é", "", "9" * 400)])
def test_headers_of_a_response(headers: dict[str, str]) -> None:
    response = httpx.Response(429, headers={name.encode(): value.encode() for name, value in headers.items()})
    with pytest.raises(APIStatusError):
        Server(response).client().models.list()


def test_arguments_outside_json_are_named_by_path() -> None:
    client = Server().client()
    cases: list[tuple[Any, str]] = [
        ({"a": [1, float("nan")]}, r"`metadata\.a\[1\]` must be a finite number"),
        ({"a": "half \ud83d"}, r"`metadata\.a` has a lone surrogate"),
        ({"a": b"x"}, r"`metadata\.a`: an object of type bytes"),
        ({"a": CONTAINS_ITSELF}, "contains itself"),
    ]
    for value, text in cases:
        with pytest.raises(InvalidArgumentError, match=text):
            client.chat.completions.create(messages=USER, metadata=value)


def test_errors_of_the_transport() -> None:
    for error in (RuntimeError("a"), KeyError("b"), OSError("c"), UnicodeError("d"), RecursionError(), ValueError("e")):
        with pytest.raises(APIError) as caught:
            Server(error).client().models.list()
        assert caught.value.__cause__ is error
        body = Body(events("a"), fail=error)
        with pytest.raises(APIError):
            list(Server(stream_of(body)).client().chat.completions.create(messages=USER, stream=True))


def test_an_invalid_argument_is_a_value_error_and_a_type_error() -> None:
    assert issubclass(InvalidArgumentError, TypeError)
    assert issubclass(InvalidArgumentError, ValueError)
    assert str(pickle.loads(pickle.dumps(InvalidArgumentError("a")))) == "a"
