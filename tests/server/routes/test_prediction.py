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


def test_a_whole_answer_and_a_stream(server: RunningServer) -> None:
    with server.client() as client:
        plain = post(client, body())
        assert "accepted_prediction_tokens" not in plain["usage"]["completion_tokens_details"]
        text = plain["choices"][0]["message"]["content"]
        assert counts(post(client, body(content(text), n=2)))[0] > 0
        parts = content([text[:20], text[20:]])
        streamed = body(parts, stream=True, stream_options={"include_usage": True})
        lines = client.post("/v1/chat/completions", json=streamed).text.split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert counts(events[-1])[0] > 0
    assert events[-1]["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"]


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
def test_invalid_predictions(
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
