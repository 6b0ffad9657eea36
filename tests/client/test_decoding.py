"""What is made of answers, this server's and others'."""

import copy
from typing import Any

import httpx
import pytest

from forefront import APIError, AuthenticationError, ChatCompletion, ModelList, NotFoundError
from tests.client.fakes import COMPLETION, USER, Server


def complete(body: Any) -> ChatCompletion:
    return Server(httpx.Response(200, json=body)).client().chat.completions.create(messages=USER)


def test_both_ways_of_reading() -> None:
    completion = complete(COMPLETION)
    assert completion.choices[0].message.content == "Hi"
    assert completion.choices[0].message["content"] == "Hi"
    assert completion["choices"][0]["message"]["role"] == "assistant"
    assert completion.message == completion.choices[0].message
    assert completion.usage.input_tokens == completion["usage"]["prompt_tokens"] == 2
    assert completion.to_dict() == COMPLETION


def test_fields_of_a_newer_server_are_no_trouble() -> None:
    body = copy.deepcopy(COMPLETION)
    body["new"] = body["choices"][0]["new"] = body["usage"]["new"] = {"a": [1]}
    assert complete(body) == complete(COMPLETION)


def test_the_field_s_shape_is_completed() -> None:
    body = copy.deepcopy(COMPLETION)
    del body["message"], body["usage"]["input_tokens"], body["usage"]["output_tokens"], body["usage"]["total_tokens"]
    assert complete(body) == complete(COMPLETION)


def test_the_documented_shape_is_completed() -> None:
    completion = complete(
        {
            "choices": [{"message": {"role": "assistant", "content": "Hi"}}],
            "usage": {"input_tokens": 28, "output_tokens": 10, "total_tokens": 38},
            "message": {"content": "Hi"},
        }
    )
    assert (completion.choices[0].index, completion.choices[0].finish_reason) == (0, None)
    assert completion.usage.prompt_tokens == 28
    assert completion.message.role == "assistant"
    assert completion.to_dict()["id"] is None


def test_values_of_an_unknown_kind_are_passed_on() -> None:
    body = copy.deepcopy(COMPLETION)
    body["created"] = 1.5
    body["choices"][0] |= {"finish_reason": "tool_calls", "message": {"role": "assistant", "content": None}}
    body["choices"][0]["logprobs"] = {"content": [{"token": 1, "logprob": -1, "top_logprobs": []}]}
    completion = complete(body)
    assert completion.choices[0].to_dict()["finish_reason"] == "tool_calls"
    assert completion.choices[0].to_dict()["message"]["content"] is None
    assert completion.choices[0].logprobs is not None
    assert completion.created == 1.5


@pytest.mark.parametrize("missing", [{"usage": None}, {"usage": 3}, {"choices": []}, {"choices": [None]}])
def test_an_answer_without_fields_is_decoded(missing: dict[str, Any]) -> None:
    body = {"id": "x", **COMPLETION, **missing}
    del body["message"]
    assert complete(body).id == "chatcmpl-1"


@pytest.mark.parametrize("body", [[], "text", None, {}, {"choices": {}}, {"object": "list", "data": []}])
def test_another_body_is_an_error(body: Any) -> None:
    with pytest.raises(APIError, match="not with a chat completion"):
        complete(body)


def test_an_error_with_a_success_status_is_an_error() -> None:
    with pytest.raises(AuthenticationError, match="no key"):
        complete({"error": {"message": "no key", "code": "invalid_api_key"}})


def test_models() -> None:
    server = Server(
        httpx.Response(200, json={"object": "list", "data": [{"id": "a", "created": 1, "owned_by": "b"}], "x": 1})
    )
    models = server.client().models.list()
    assert isinstance(models, ModelList)
    assert models.data[0].id == "a"
    assert (server.requests[0].method, server.requests[0].url.path) == ("GET", "/v1/models")
    assert "content-type" not in server.requests[0].headers


def test_retrieve_model() -> None:
    server = Server(httpx.Response(200, json={"id": "org/a b", "object": "model"}))
    model = server.client().models.retrieve("org/a b")
    assert model.to_dict() == {
        "id": "org/a b",
        "object": "model",
        "created": None,
        "owned_by": None,
        "context_length": None,
        "max_model_len": None,
        "root": None,
        "state": None,
        "size": None,
        "capabilities": (),
    }
    assert server.requests[0].url.raw_path == b"/v1/models/org%2Fa%20b"
    with pytest.raises(ValueError, match="empty"):
        server.client().models.retrieve("")


def test_malformed_model_lists() -> None:
    client = Server(httpx.Response(200, text="<html>", headers={"content-type": "text/html"})).client()
    with pytest.raises(APIError, match="answered with text/html, not with a list of models"):
        client.models.list()
    with pytest.raises(APIError, match="not with a model"):
        client.models.retrieve("a")


async def test_async() -> None:
    server = Server()
    async with server.async_client() as client:
        completion = await client.chat.completions.create(messages=USER)
        assert completion == complete(COMPLETION)
        server.answer = httpx.Response(200, json={"data": [{"id": "a"}]})
        assert (await client.models.list()).data[0].id == "a"
        server.answer = httpx.Response(200, json={"id": "a"})
        assert (await client.models.retrieve("a")).id == "a"
        server.answer = httpx.Response(404, json={"error": {"message": "none", "code": "model_not_found"}})
        with pytest.raises(NotFoundError):
            await client.models.retrieve("b")


@pytest.mark.parametrize("call", [{}, {"id": "a"}, {"type": "function"}, {"type": "custom"}, {"type": "else"}])
def test_tool_calls_without_a_function_stay_json(call: dict[str, Any]) -> None:
    body = copy.deepcopy(COMPLETION)
    body["choices"][0]["message"]["tool_calls"] = [call]
    assert complete(body).to_dict()["choices"][0]["message"]["tool_calls"] == [call]
