"""What the headers say of limits, and of trying again: with every answer, by both endpoints, whole and streamed."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from forefront.cli.settings.config import Config, ServerSettings
from tests.server.routes.admin.test_admin_routes import make_key
from tests.support.backends.instant import KEY, MODEL, Nursery
from tests.support.server import RunningServer

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "logit_bias": {"2": -100}}
TEXT: dict[str, Any] = {"prompt": "Hi", "logit_bias": {"2": -100}}
REQUESTS = {f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset")}
TOKENS = {f"x-ratelimit-{what}-tokens" for what in ("limit", "remaining", "reset")}
ORIGIN = "https://app.example"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "fields"), [("/v1/chat/completions", CHAT), ("/v1/completions", TEXT)])
def test_every_answer_to_what_was_counted(
    server: RunningServer, path: str, fields: dict[str, Any], stream: bool
) -> None:
    body = fields | {"model": "tiny", "stream": stream, "max_tokens": 4}
    limits = {"requests_per_minute": 7, "tokens_per_minute": 400, "concurrency": 1}
    _, client = make_key(server, limits=limits, budget={"tokens": 300, "period": "ever"})

    def ask(**more: Any) -> tuple[int, httpx.Headers]:
        answer = client.post(path, json=body | more)
        assert answer.headers.keys() >= REQUESTS | TOKENS, answer.text
        return answer.status_code, answer.headers

    begin = time.monotonic()
    with client:
        status, headers = ask()
        assert (status, headers["x-ratelimit-remaining-requests"]) == (200, "6")
        status, headers = ask(max_tokens=350)
        assert (status, headers["x-should-retry"]) == (403, "false")
        assert "retry-after" not in headers
        assert int(headers["x-ratelimit-remaining-tokens"]) > 350  # it was given back
        status, headers = ask(max_tokens=1500)
        assert (status, headers["x-should-retry"]) == (429, "false")
        assert "retry-after" not in headers
        status, headers = ask(max_tokens=10**6)
        assert (status, headers["x-should-retry"]) == (400, "false")
        assert ask(max_tokens=200)[0] == 200
        status, headers = ask(max_tokens=250)
        assert (status, headers["x-should-retry"]) == (429, "true")
        assert 59 - (time.monotonic() - begin) <= int(headers["retry-after"]) <= 60
        assert int(headers["x-ratelimit-remaining-tokens"]) < 250
        assert ask()[0] == 200
        status, headers = ask()
        assert (status, headers["x-ratelimit-remaining-requests"]) == (429, "0")
        assert 0 < int(headers["retry-after"]) <= 60


def test_while_all_slots_are_taken(server: RunningServer) -> None:
    _, client = make_key(server, limits={"concurrency": 1, "requests_per_minute": 100})
    # More events than the server reads ahead of a client, for any batches of tokens.
    body = CHAT | {"model": "tiny", "max_tokens": 1500, "stream": True, "n": 16}
    with client, client.stream("POST", "/v1/chat/completions", json=body) as running:
        pieces = running.iter_raw()  # closes the connection if it is not kept
        assert b'"delta"' in next(pieces)
        refused = client.post("/v1/completions", json=TEXT | {"model": "tiny"})
    assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "true")
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers.keys() >= REQUESTS


@pytest.mark.slow
def test_while_the_store_is_locked_and_on_web_pages(tmp_path: Path) -> None:
    """An answer that cannot be written, one that is refused for it, and errors of those who may not ask."""
    settings = Config(server=ServerSettings(cors_origins=[ORIGIN]))
    store = tmp_path / "f.db"
    with (
        Nursery().serve(f"sqlite:///{store}", tmp_path / "log", settings=settings) as server,
        httpx.Client(base_url=server.url, headers={"origin": ORIGIN}, timeout=60) as client,
    ):
        admin = {"authorization": f"Bearer {KEY}"}
        wanted = {"name": "x", "limits": {"requests_per_minute": 2, "tokens_per_minute": 1000}}
        made = client.post("/admin/keys", json=wanted, headers=admin).json()["key"]
        answers = [client.post("/v1/chat/completions", json={})]
        client.headers["authorization"] = f"Bearer {made}"
        body = CHAT | {"model": MODEL, "max_tokens": 5}
        with sqlite3.connect(store, isolation_level=None) as other, ThreadPoolExecutor() as threads:
            other.execute("BEGIN IMMEDIATE")
            pending = threads.submit(client.post, "/v1/chat/completions", json=body)
            answers.append(pending.result())
            answers.append(client.post("/v1/chat/completions", json=body))
            other.execute("ROLLBACK")
        while client.post("/v1/chat/completions", json=body).status_code == 503:
            time.sleep(0.05)
        answers.append(client.post("/v1/chat/completions", json=body))
    assert [answer.status_code for answer in answers] == [401, 503, 503, 429]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-expose-headers"] == "*"
    for answer in answers[1:]:
        assert answer.headers.keys() >= REQUESTS | TOKENS | {"retry-after"}
        assert answer.headers["x-should-retry"] == "true"
    assert [answer.json()["error"]["code"] for answer in answers[1:3]] == ["store_unavailable"] * 2
