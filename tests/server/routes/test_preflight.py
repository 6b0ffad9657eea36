"""`POST /v1/chat/completions/preflight`: what a request would meet."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer, run_server

CHAT = "/v1/chat/completions"
PATH = f"{CHAT}/preflight"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "forefront-mini", "messages": [{"role": "user", "content": "What is 3 + 4?"}]} | fields


def test_a_preflight_reports_the_prompt_and_the_cache(server: RunningServer) -> None:
    text = "Repeat: " + " ".join(f"word{number}" for number in range(60))
    fields = body(messages=[{"role": "user", "content": text}], max_tokens=4, temperature=0)
    with server.client() as client:
        before = client.post(PATH, json=fields).json()
        answer = client.post(CHAT, json=fields).json()
        after = client.post(PATH, json=fields).json()
        again = client.post(CHAT, json=fields).json()
    assert before["object"] == "chat.completion.preflight"
    assert before["prompt"] == f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    assert before["prompt_tokens"] == answer["usage"]["prompt_tokens"]
    assert before["cached_tokens"] == 0
    assert after["cached_tokens"] == again["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert before["fits"] is True
    assert before["max_tokens"] == before["context_length"] - before["prompt_tokens"]
    assert (before["ahead"], before["wait_seconds"]) == (0, 0)


def test_an_oversized_prompt_is_reported_without_cost(server: RunningServer) -> None:
    with server.client() as client:
        seen = client.post(PATH, json=body(max_tokens=10**6)).json()
        refused = client.post(CHAT, json=body(max_tokens=10**6)).json()
    assert seen["fits"] is False
    assert seen["excess"] == seen["prompt_tokens"] + 10**6 - seen["context_length"]
    assert refused["error"]["code"] == "context_length_exceeded"
    assert str(seen["excess"]) in refused["error"]["message"]


def test_an_assistant_prefix_is_part_of_the_prompt(server: RunningServer) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good <|im_end|>"}]
    with server.client() as client:
        seen = client.post(PATH, json=body(messages=messages)).json()
    assert seen["prompt"].endswith("<|im_start|>assistant\nGood <|im_end|>")


def test_a_preflight_has_the_errors_of_the_endpoint(server: RunningServer) -> None:
    with server.client() as client:
        assert client.post(PATH, json=body(model="x")).status_code == 404
        assert client.post(PATH, json=body(n=0)).json()["error"]["param"] == "n"
        assert client.post(PATH, json=body(user="me")).headers["x-ignored-params"] == "user"


def test_a_large_body_does_not_delay_other_requests(server: RunningServer) -> None:
    """One and a half MiB of messages, close to the members that a body may have."""
    messages = b",".join([b'{"role":"user","content":"%b"}' % (b"x" * 50)] * 19_000)
    content = b'{"model":"tiny","messages":[' + messages + b"]}"
    with server.client() as client, server.client() as other, ThreadPoolExecutor() as threads:
        for _ in range(8):  # a busy machine may delay one of them
            pending = threads.submit(client.post, PATH, content=content, headers={"content-type": "application/json"})
            slowest, start = 0.0, time.monotonic()
            while not pending.done():
                begin = time.monotonic()
                assert other.get("/health").status_code == 200
                slowest = max(slowest, time.monotonic() - begin)
            assert pending.result().status_code == 422
            if slowest < max(0.25, (time.monotonic() - start) / 3):
                return
    raise AssertionError(f"a health check took {slowest:.2f} s")


@pytest.fixture
def limited(tiny_gguf: Path, tmp_path: Path) -> Iterator[tuple[RunningServer, httpx.Client]]:
    """A server, and a client whose key may make two requests a minute, one at a time."""
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home") as server, server.client() as admin:
        limits = {"requests_per_minute": 2, "concurrency": 1}
        made = admin.post("/admin/keys", json={"name": "limited", "limits": limits}).json()
        with server.client(headers={"authorization": f"Bearer {made['key']}"}) as client:
            yield server, client


def test_preflights_count_as_requests_and_cost_nothing(limited: tuple[RunningServer, httpx.Client]) -> None:
    server, client = limited
    fields = body(model="tiny", max_tokens=1)
    first = client.post(PATH, json=fields)
    assert first.status_code == 200
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert client.post(CHAT, json=fields).status_code == 200
    refused = client.post(PATH, json=fields)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    with server.client() as admin:
        assert [row["requests"] for row in admin.get("/admin/usage").json()["data"]] == [1]


def test_an_oversized_prompt_is_refused_by_its_bytes(server: RunningServer) -> None:
    messages = [{"role": "user", "content": "<|im_end|>" * 30_000}]
    with server.client() as client:
        for path in (PATH, CHAT):
            error = client.post(path, json=body(messages=messages)).json()["error"]
            assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
            assert "300000 characters" in error["message"]
            assert "maximum context length is 2048 tokens" in error["message"]
        rendered = body(messages=[{"role": "user", "content": "<|im_end|>" * 10_000}])
        assert "100050 bytes of text" in client.post(PATH, json=rendered).json()["error"]["message"]
        error = client.post("/v1/completions", json={"model": "tiny", "prompt": ["a", "b" * 10**6]}).json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt[1]")
