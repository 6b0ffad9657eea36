"""The receipt of an answer, and its headers."""

import json
from typing import Any

import pytest

from forefront.server.http.error_response import error_headers
from forefront.server.sending.sse import encode_waiting
from forefront.wire.errors import ERRORS, RequestError
from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


def test_the_receipt_repeats_the_answer(server: RunningServer) -> None:
    with server.client() as client:
        first = client.post(PATH, json=BODY | {"top_p": 0.9}).json()
        sampling = first["receipt"]["sampling"]
        again = client.post(PATH, json=BODY | sampling).json()
    assert sampling["top_p"] == 0.9
    assert sampling["temperature"] == 1
    assert sampling["max_tokens"] == 8
    assert again["choices"] == first["choices"]
    assert first["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}


def test_the_receipt_names_model_and_engine(server: RunningServer) -> None:
    with server.client() as client:
        receipt = client.post(PATH, json=BODY).json()["receipt"]
        other = client.post(PATH, json=BODY | {"model": "forefront-mini"}).json()["receipt"]
    assert receipt["weights"].startswith("sha256:")
    assert receipt["weights"] != other["weights"]
    assert "f32" in receipt["quantization"]
    assert receipt["engine"].startswith("forefront ")
    assert receipt["queue_ms"] >= 0
    assert receipt["prefill_ms"] > 0
    assert receipt["decode_ms"] > 0


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("n", [1, 2])
def test_the_last_chunk_of_a_stream_carries_it(server: RunningServer, usage: bool, n: int) -> None:
    # Without its end token, which a random model draws once in some sixty answers of this length.
    fields = BODY | {"stream": True, "stream_options": {"include_usage": usage}, "n": n, "logit_bias": {"2": -100}}
    with server.client() as client:
        text = client.post(PATH, json=fields).text
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    *chunks, last = [json.loads(line) for line in data]
    assert last["receipt"]["sampling"]["max_tokens"] == 8
    assert ("usage" in last) is usage
    assert all("receipt" not in chunk for chunk in chunks)
    reasons = [choice["finish_reason"] for chunk in [*chunks, last] for choice in chunk["choices"]]
    assert reasons.count("length") == n


def test_headers_of_success_and_failure(server: RunningServer) -> None:
    with server.client() as client:
        good = client.post(PATH, json=BODY, headers={"x-request-id": "mine-1"})
        bad = client.post(PATH, json=BODY | {"n": 0}, headers={"x-request-id": "not fit"})
        unknown = client.post(PATH, json=BODY | {"model": "TINNY"})
    assert good.headers["x-request-id"] == "mine-1"
    assert int(good.headers["openai-processing-ms"]) >= 0
    assert bad.headers["x-request-id"].startswith("req_")
    assert bad.headers["x-should-retry"] == "false"
    assert "retry-after" not in bad.headers
    assert "Did you mean `tiny`?" in unknown.json()["error"]["message"]


def test_errors_say_whether_to_try_again() -> None:
    for code, (status, _) in ERRORS.items():
        headers = error_headers(RequestError(code, "x"))
        assert (headers["x-should-retry"] == "true") is (status >= 500 or status in (408, 429))
        assert ("retry-after" in headers) is (status in (429, 503))


def test_the_comment_is_one_that_parsers_skip() -> None:
    assert encode_waiting(3, 11.2) == b": waiting, 3 ahead, about 12 s\n"
    assert encode_waiting(0, 0) == b": waiting\n"
