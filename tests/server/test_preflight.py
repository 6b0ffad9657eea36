"""`POST /v1/chat/completions/preflight`: what a request would meet."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.server import RunningServer

CHAT = "/v1/chat/completions"
PATH = f"{CHAT}/preflight"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "forefront-mini", "messages": [{"role": "user", "content": "What is 3 + 4?"}]} | fields


def test_it_foresees_the_prompt_and_the_cache(server: RunningServer) -> None:
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


def test_it_says_what_does_not_fit_and_costs_nothing(server: RunningServer) -> None:
    with server.client() as client:
        seen = client.post(PATH, json=body(max_tokens=10**6)).json()
        refused = client.post(CHAT, json=body(max_tokens=10**6)).json()
    assert seen["fits"] is False
    assert seen["excess"] == seen["prompt_tokens"] + 10**6 - seen["context_length"]
    assert refused["error"]["code"] == "context_length_exceeded"
    assert str(seen["excess"]) in refused["error"]["message"]


def test_a_beginning_of_the_answer_is_part_of_the_prompt(server: RunningServer) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good <|im_end|>"}]
    with server.client() as client:
        seen = client.post(PATH, json=body(messages=messages)).json()
    assert seen["prompt"].endswith("<|im_start|>assistant\nGood <|im_end|>")


def test_it_refuses_what_the_endpoint_refuses(server: RunningServer) -> None:
    with server.client() as client:
        assert client.post(PATH, json=body(model="x")).status_code == 404
        assert client.post(PATH, json=body(n=0)).json()["error"]["param"] == "n"
        assert client.post(PATH, json=body(user="me")).headers["x-ignored-params"] == "user"


def test_a_large_body_holds_up_nobody(server: RunningServer) -> None:
    """Three MiB of messages take a fifth of a second to read."""
    messages = b",".join([b'{"role":"user","content":"x"}'] * 100_000)
    content = b'{"model":"tiny","messages":[' + messages + b"]}"
    with server.client() as client, server.client() as other, ThreadPoolExecutor() as threads:
        asked = threads.submit(client.post, PATH, content=content, headers={"content-type": "application/json"})
        slowest = 0.0
        while not asked.done():
            begin = time.monotonic()
            assert other.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - begin)
        assert asked.result().status_code == 422
    assert slowest < 0.25
