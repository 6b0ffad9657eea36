"""`POST /v1/tokenize` and `POST /v1/detokenize`."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.server import RunningServer

MODEL = "forefront-mini"
MESSAGES = [{"role": "user", "content": "What is 3 + 4?"}]


def post(server: RunningServer, path: str, **fields: Any) -> Any:
    with server.client() as client:
        return client.post(f"/v1/{path}", json={"model": MODEL} | fields)


def test_a_text_and_its_tokens(server: RunningServer) -> None:
    text = "Write a recipe: crème brûlée 🍮<|im_end|>"
    result = post(server, "tokenize", prompt=text, return_token_strs=True).json()
    assert result["model"] == MODEL
    assert result["count"] == len(result["tokens"]) == len(result["token_strs"])
    assert "<|im_end|>" in result["token_strs"]  # a control token shows by its name
    assert result["max_model_len"] > 0
    back = post(server, "detokenize", tokens=result["tokens"]).json()
    assert back == {"model": MODEL, "prompt": text, "content": text}


@settings(max_examples=25, deadline=None)
@given(text=st.text(max_size=200))
def test_tokens_give_their_text_again(server: RunningServer, text: str) -> None:
    tokens = post(server, "tokenize", prompt=text, add_special_tokens=False).json()["tokens"]
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert post(server, "detokenize", tokens=tokens).json()["prompt"] == expected


def test_a_completion_reads_the_same_tokens(server: RunningServer) -> None:
    tokens = post(server, "tokenize", prompt="Once upon a time").json()["tokens"]
    with server.client() as client:
        body = {"model": MODEL, "prompt": tokens, "max_tokens": 1}
        by_tokens = client.post("/v1/completions", json=body).json()["usage"]["prompt_tokens"]
        by_text = client.post("/v1/completions", json=body | {"prompt": "Once upon a time"}).json()
    assert by_tokens == by_text["usage"]["prompt_tokens"] == len(tokens)


def test_a_conversation_has_the_tokens_of_its_answer(server: RunningServer) -> None:
    result = post(server, "tokenize", messages=MESSAGES).json()
    with server.client() as client:
        body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 1}
        assert result["count"] == client.post("/v1/chat/completions", json=body).json()["usage"]["prompt_tokens"]
    text = post(server, "detokenize", tokens=result["tokens"]).json()["prompt"]
    assert text == "<|im_start|>user\nWhat is 3 + 4?<|im_end|>\n<|im_start|>assistant\n"


def test_the_names_of_llama_cpp(server: RunningServer) -> None:
    ours = post(server, "tokenize", prompt="Hello", add_special_tokens=False, return_token_strs=True).json()
    assert post(server, "tokenize", content="Hello", add_special=False, with_pieces=True).json() == ours


@pytest.mark.parametrize(
    ("path", "fields", "status", "code", "param"),
    [
        ("tokenize", {}, 400, "missing_parameter", "prompt"),
        ("tokenize", {"prompt": "a", "messages": MESSAGES}, 422, "invalid_value", "prompt"),
        ("tokenize", {"prompt": 3}, 422, "invalid_type", "prompt"),
        ("tokenize", {"prompt": "a" * (2**20 + 1)}, 422, "invalid_value", "prompt"),
        ("tokenize", {"prompt": "a", "tools": []}, 422, "invalid_value", "tools"),
        ("tokenize", {"messages": MESSAGES, "add_special_tokens": True}, 422, "invalid_value", "add_special_tokens"),
        ("tokenize", {"messages": [{"role": "tool", "content": "x"}]}, 400, "missing_parameter", None),
        ("tokenize", {"prompt": "a", "return_token_str": True}, 422, "unknown_parameter", "return_token_str"),
        ("tokenize", {"prompt": "a", "model": "x"}, 404, "model_not_found", "model"),
        ("detokenize", {}, 400, "missing_parameter", "tokens"),
        ("detokenize", {"tokens": [2**30]}, 422, "invalid_value", "tokens"),
        ("detokenize", {"tokens": [-1]}, 422, "invalid_value", "tokens[0]"),
        ("detokenize", {"tokens": "a"}, 422, "invalid_type", "tokens"),
        ("detokenize", {"tokens": ["a"]}, 422, "invalid_type", "tokens[0]"),
    ],
)
def test_wrong_requests(
    server: RunningServer, path: str, fields: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    response = post(server, path, **fields)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert param is None or error["param"] == param


def test_empty_texts_and_lists(server: RunningServer) -> None:
    assert post(server, "tokenize", prompt="", add_special_tokens=False).json()["tokens"] == []
    assert post(server, "detokenize", tokens=[]).json()["prompt"] == ""


def test_a_text_and_a_list_of_any_size_have_bounds(server: RunningServer) -> None:
    tokens = post(server, "tokenize", prompt="é" * 40_000, return_token_strs=True).json()
    assert len(tokens["token_strs"]) == tokens["count"]
    assert post(server, "detokenize", tokens=tokens["tokens"]).json()["prompt"] == "é" * 40_000
    names = post(server, "tokenize", prompt="<|im_end|>", return_token_strs=True).json()
    control = names["tokens"][-1]
    assert names["token_strs"][-1] == "<|im_end|>"
    refused = post(server, "detokenize", tokens=[control] * 850_000)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "tokens")
    assert "more than 8 MiB" in refused.json()["error"]["message"]
