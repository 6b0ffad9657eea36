"""Predicted outputs over HTTP."""

import json
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer

QUESTION = [{"role": "user", "content": "How do I boil an egg?"}]


def body(prediction: Any = None, **fields: Any) -> dict[str, Any]:
    fields = {"model": "forefront-mini", "messages": QUESTION, "temperature": 0, "max_tokens": 100} | fields
    return fields if prediction is None else fields | {"prediction": prediction}


def content(text: str | list[str]) -> dict[str, Any]:
    parts = text if isinstance(text, str) else [{"type": "text", "text": part} for part in text]
    return {"type": "content", "content": parts}


def post(client: httpx.Client, fields: dict[str, Any]) -> dict[str, Any]:
    response = client.post("/v1/chat/completions", json=fields)
    assert response.status_code == 200, response.text
    assert "prediction" not in response.headers.get("x-ignored-params", "")
    answer: dict[str, Any] = response.json()
    return answer


def counts(answer: dict[str, Any]) -> tuple[int, int]:
    details = answer["usage"]["completion_tokens_details"]
    return details["accepted_prediction_tokens"], details["rejected_prediction_tokens"]


@pytest.fixture(scope="module")
def expected(server: RunningServer) -> str:
    """The answer without a prediction."""
    with server.client() as client:
        answer = post(client, body())
    assert "accepted_prediction_tokens" not in answer["usage"]["completion_tokens_details"]
    text: str = answer["choices"][0]["message"]["content"]
    assert len(text) > 40
    return text


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"logprobs": True, "top_logprobs": 2},
        {"presence_penalty": 0.0, "seed": 4},
        {"tools": [{"type": "function", "function": {"name": "look"}}], "tool_choice": "none"},
    ],
    ids=str,
)
def test_a_prediction_changes_the_steps_alone(server: RunningServer, expected: str, fields: dict[str, Any]) -> None:
    with server.client() as client:
        plain = post(client, body(**fields))
        predicted = post(client, body(content(expected), **fields))
    assert predicted["choices"][0]["message"] == plain["choices"][0]["message"]
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert predicted["usage"][name] == plain["usage"][name]
    accepted, rejected = counts(predicted)
    assert predicted["usage"]["completion_tokens"] // 3 < accepted < predicted["usage"]["completion_tokens"]
    assert rejected < accepted


def test_several_choices_count_together(server: RunningServer, expected: str) -> None:
    with server.client() as client:
        answer = post(client, body(content(expected), n=3))
    assert [choice["message"]["content"] for choice in answer["choices"]] == [expected] * 3
    assert answer["usage"]["completion_tokens"] > counts(answer)[0] > answer["usage"]["completion_tokens"] // 3


def test_parts_and_streams(server: RunningServer, expected: str) -> None:
    fields = body(content([expected[:20], expected[20:]]), stream=True, stream_options={"include_usage": True})
    with server.client() as client:
        lines = client.post("/v1/chat/completions", json=fields).text.split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert (
        "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]) == expected
    )
    assert counts(events[-1])[0] > 0


def test_a_wrong_prediction_changes_nothing(server: RunningServer, expected: str) -> None:
    with server.client() as client:
        for text in ("", "?!" * 400, expected[::-1], "<|im_end|>" * 40):
            answer = post(client, body(content(text)))
            assert answer["choices"][0]["message"]["content"] == expected
            accepted, rejected = counts(answer)
            assert accepted < answer["usage"]["completion_tokens"] // 2
            assert rejected < 120


@pytest.mark.parametrize(
    ("prediction", "status", "code", "param"),
    [
        ({"type": "content"}, 400, "missing_parameter", "prediction.content"),
        ({"type": "tokens", "content": "x"}, 422, "invalid_value", "prediction.type"),
        ("x", 422, "invalid_type", "prediction"),
        (content(["x"]) | {"content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}, 422, None, None),
        (content("word " * 400_000), 400, "context_length_exceeded", "prediction.content"),
    ],
    ids=["no content", "type", "text", "image", "too long"],
)
def test_what_is_no_prediction(
    server: RunningServer, prediction: Any, status: int, code: str | None, param: str | None
) -> None:
    with server.client() as client:
        response = client.post("/v1/chat/completions", json=body(prediction))
    error = response.json()["error"]
    assert response.status_code == status, error
    if code is not None:
        assert (error["code"], error["param"]) == (code, param)


def test_text_completions_have_none(server: RunningServer) -> None:
    fields = {"model": "tiny", "prompt": "x", "max_tokens": 2, "prediction": content("x")}
    with server.client() as client:
        response = client.post("/v1/completions", json=fields)
    assert response.headers["x-ignored-params"] == "prediction"
