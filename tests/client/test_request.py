"""What is sent."""

from collections import UserDict
from types import MappingProxyType
from typing import Any, get_type_hints

import pytest

from forefront.client.resources.params import ChatParams, TextParams
from forefront.wire.completions.parse import parse_chat_request
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from tests.client.fakes import COMPLETION, USER, Server

OWN = {"extra_body", "extra_headers", "timeout", "idempotency_key"}
# What the server takes beside its own fields: another name of one, and advice that it does not follow.
ALSO = {"max_completion_tokens", "user", "metadata", "store", "service_tier", "prompt_cache_key"}


def test_every_field_of_the_api_is_a_parameter() -> None:
    chat = set(get_type_hints(ChatParams)) | {"messages", "stream"}
    assert chat - ALSO == set(ChatRequest.__struct_fields__) | OWN
    text = set(get_type_hints(TextParams)) | {"prompt", "stream"}
    assert text - ALSO == set(CompletionRequest.__struct_fields__) | OWN


def test_the_documented_call() -> None:
    server = Server()
    server.client(default_model=None).chat.completions.create(
        messages=USER, model="MODEL_STRING", temperature=0, max_tokens=10
    )
    request = server.requests[0]
    assert (request.method, str(request.url)) == ("POST", "http://host/v1/chat/completions")
    assert server.sent == {"model": "MODEL_STRING", "messages": USER, "temperature": 0, "max_tokens": 10}
    assert request.headers["authorization"] == "Bearer sk-canary"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("forefront-python/")


def test_omitted_fields_are_not_sent() -> None:
    server = Server()
    server.client().chat.completions.create(messages=USER, temperature=None, stop=None)
    assert server.sent == {"model": "m", "messages": USER}


def test_every_field_arrives() -> None:
    server = Server()
    server.client().chat.completions.create(
        messages=tuple(USER), stream=False, max_tokens=1, temperature=0.5, top_p=0.5, top_k=1, min_p=0.1,
        stop=("a", "b"), seed=7, n=1, logprobs=True, top_logprobs=2, presence_penalty=1,
        frequency_penalty=-1, repetition_penalty=1.5,
        logit_bias=MappingProxyType({5: 1.5}), extra_body={"brand_new": [1]},
        tools=[{"type": "function", "function": {"name": "f"}}], tool_choice="required", parallel_tool_calls=False,
        regex="a+", reasoning_effort="low", deadline_ms=100, stop_token_ids=[5], min_tokens=1, ignore_eos=False,
        prediction={"type": "content", "content": "x"},
    )  # fmt: skip
    parsed = parse_chat_request(server.requests[0].content)
    assert parsed.ignored == ("brand_new",)
    assert parsed.request.stops == ["a", "b"]
    assert parsed.request.logit_bias == {"5": 1.5}
    sent = {name for name in ChatRequest.__struct_fields__ if getattr(parsed.request, name) is not None}
    others = {"stream_options", "response_format", "grammar", "functions", "function_call"}
    assert sent == set(ChatRequest.__struct_fields__) - others


def test_the_message_of_a_completion_is_valid_input() -> None:
    server = Server()
    create = server.client().chat.completions.create
    answer = create(messages=USER).choices[0].message
    create(messages=[*USER, answer, UserDict(role="user", content="Go on")])  # type: ignore[list-item]
    assert server.sent["messages"] == [
        *USER, COMPLETION["message"] | {"refusal": None}, {"role": "user", "content": "Go on"},
    ]  # fmt: skip


def test_messages_may_be_any_iterable() -> None:
    server = Server()
    server.client().chat.completions.create(messages=iter(USER))
    assert server.sent["messages"] == USER


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"messages": USER, "temprature": 1}, "did you mean `temperature`"),
        ({"messages": USER, "brand_new": 1}, "extra_body"),
        ({"messages": "Hello"}, "must be a list"),
        ({"messages": USER[0]}, "must be a list"),
        ({"messages": USER, "temperature": 1, "extra_body": {"temperature": 2}}, "`temperature` is a parameter"),
        ({"messages": USER, "extra_body": {"stream": True}}, "`stream` is a parameter"),
        ({"messages": USER, "stop": object()}, "of type object"),
    ],
)
def test_unserialisable_arguments_are_a_type_error(arguments: dict[str, Any], text: str) -> None:
    server = Server()
    with pytest.raises(TypeError, match=text):
        server.client().chat.completions.create(**arguments)
    assert not server.requests


def test_a_missing_model_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="default_model"):
        Server().client(default_model=None).chat.completions.create(messages=USER)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_outside_json_are_not_sent_as_null(number: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        Server().client().chat.completions.create(messages=USER, temperature=number)


@pytest.mark.parametrize(
    ("settings", "arguments", "read", "connect"),
    [
        ({}, {}, 600, 5),
        ({"timeout": 2}, {}, 2, 2),
        ({"timeout": 2}, {"timeout": None}, None, 5),
        ({}, {"timeout": 9}, 9, 5),
    ],
)
def test_timeouts(settings: dict[str, Any], arguments: dict[str, Any], read: float | None, connect: float) -> None:
    server = Server()
    server.client(**settings).chat.completions.create(messages=USER, **arguments)
    timeout = server.requests[0].extensions["timeout"]
    assert (timeout["read"], timeout["connect"]) == (read, connect)


def test_headers() -> None:
    server = Server()
    client = server.client(headers={"X-Team": "a", "X-Both": "client"})
    client.chat.completions.create(
        messages=USER, extra_headers={"x-both": "call", "User-Agent": "mine"}, idempotency_key="k1"
    )
    headers = server.requests[0].headers
    assert (headers["x-team"], headers["x-both"], headers["user-agent"]) == ("a", "call", "mine")
    assert headers["idempotency-key"] == "k1"


def test_each_call_has_its_own_idempotency_key() -> None:
    server = Server()
    for _ in range(2):
        server.client().chat.completions.create(messages=USER)
    first, second = (request.headers["idempotency-key"] for request in server.requests)
    assert first != second
    assert first.startswith("ff-")


@pytest.mark.parametrize("prompt", [b"bytes", {"a": 1}, 5, None])
def test_invalid_prompts(prompt: Any) -> None:
    with pytest.raises(TypeError, match="`prompt`"):
        Server().client().completions.create(prompt=prompt)
