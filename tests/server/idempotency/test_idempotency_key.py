"""`Idempotency-Key` over real HTTP: one run, one row, the same bytes, for as many as ask."""

import asyncio
import json
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.routes.admin.test_admin_routes import make_key
from tests.support.server import RunningServer, run_server

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
BODY: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
PROMPT: dict[str, Any] = {"model": "tiny", "prompt": "Hello", "max_tokens": 8}
# Takes the engine long enough to be met on the way.
LONG = BODY | {"max_tokens": 1500, "logit_bias": {"2": -100}}


def fresh() -> dict[str, str]:
    """A header with an unused key."""
    return {"Idempotency-Key": secrets.token_hex(8)}


def chunk_id(text: str) -> str:
    """The id in the first event of a stream."""
    line = next(line for line in text.splitlines() if line.startswith("data: {"))
    found: str = json.loads(line.removeprefix("data: "))["id"]
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "body"), [(CHAT, BODY), (TEXT, PROMPT)])
def test_a_second_request_gets_the_same_bytes_and_costs_nothing(
    server: RunningServer, path: str, body: dict[str, Any], stream: bool
) -> None:
    _, client = make_key(server, project=f"again-{secrets.token_hex(4)}", limits={"requests_per_minute": 2})
    with client:
        headers = fresh()
        first = client.post(path, json=body | {"stream": stream}, headers=headers)
        second = client.post(path, json=body | {"stream": stream}, headers=headers)
        other = client.post(path, json=body | {"stream": stream}, headers=fresh())
    with server.client() as admin:  # whose requests do not count towards the limit
        project = admin.get(f"/v1/usage/{chunk_id(first.text) if stream else first.json()['id']}").json()["project"]
    assert second.status_code == 200
    assert second.content == first.content != other.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert [answer.headers.get("x-ratelimit-remaining-requests") for answer in (first, second, other)] == [
        "1",
        None,
        "0",
    ]
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    with server.client() as admin:
        report = admin.get("/admin/usage", params={"by": "project", "project": project}).json()
    assert report["data"][0]["requests"] == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_concurrent_requests_share_one_run(server: RunningServer, stream: bool) -> None:
    headers = fresh()
    async with server.async_client() as client:
        answers = await asyncio.gather(
            *(client.post(CHAT, json=BODY | {"max_tokens": 200, "stream": stream}, headers=headers) for _ in range(20))
        )
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19


async def test_a_joining_reader_gets_the_stream_from_its_start(server: RunningServer) -> None:
    headers = fresh()
    async with (
        server.async_client() as client,
        client.stream("POST", CHAT, json=LONG | {"stream": True}, headers=headers) as first,
    ):
        lines = first.aiter_lines()
        begun = [await anext(lines) for _ in range(30)]
        second = await client.post(CHAT, json=LONG | {"stream": True}, headers=headers)
        rest = [line async for line in lines]
    assert second.text.splitlines() == begun + rest
    assert second.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reconnecting_client_joins_its_run(server: RunningServer, stream: bool) -> None:
    headers = fresh()
    async with server.async_client() as client:
        first = asyncio.create_task(client.post(CHAT, json=LONG | {"stream": stream}, headers=headers))
        await until_running(client, first)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        again = await client.post(CHAT, json=LONG | {"stream": stream}, headers=headers)
        id_ = chunk_id(again.text) if stream else again.json()["id"]
        usage = (await client.get(f"/v1/usage/{id_}")).json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (usage["status"], usage["output_tokens"]) == ("completed", 1500)


async def test_a_disconnect_does_not_disturb_the_others(server: RunningServer) -> None:
    headers = fresh()
    async with server.async_client() as client:
        tasks = [asyncio.create_task(client.post(CHAT, json=LONG, headers=headers)) for _ in range(3)]
        await until_running(client, tasks[0])
        tasks[0].cancel()
        second, third = await asyncio.gather(*tasks[1:])
    assert second.content == third.content
    assert second.json()["usage"]["completion_tokens"] == 1500


async def until_running(client: httpx.AsyncClient, request: "asyncio.Task[httpx.Response]") -> None:
    """Return once the request runs on the server, or has been answered already."""
    async with asyncio.timeout(60):
        while not request.done() and (await client.get("/admin/status")).json()["running"] == 0:
            await asyncio.sleep(0.01)


def test_another_request_under_the_same_key_is_refused(server: RunningServer) -> None:
    headers = fresh()
    with server.client() as client:
        assert client.post(CHAT, json=BODY, headers=headers).status_code == 200
        for path, body in ((CHAT, BODY | {"max_tokens": 9}), (CHAT, BODY | {"stream": True}), (TEXT, PROMPT)):
            response = client.post(path, json=body, headers=headers)
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (422, "idempotency_key_reused")
            assert error["param"] == "Idempotency-Key"
            assert response.headers["x-should-retry"] == "false"
        assert client.post(CHAT, json=BODY, headers=headers).status_code == 200


def test_cache_entries_of_api_keys_are_separate(server: RunningServer) -> None:
    headers, ids = fresh(), set()
    _, one = make_key(server, project="left")
    _, two = make_key(server, project="right")
    _, poor = make_key(server, project="right", budget={"tokens": 1})
    _, narrow = make_key(server, project="right", models=["forefront-mini"])
    with one, two, poor, narrow:
        assert poor.post(CHAT, json=BODY, headers=headers).json()["error"]["code"] == "insufficient_credits"
        for client in (one, two):
            response = client.post(CHAT, json=BODY, headers=headers)
            assert "idempotent-replayed" not in response.headers
            ids.add(response.json()["id"])
        assert poor.post(CHAT, json=BODY, headers=headers).json()["error"]["code"] == "insufficient_credits"
        assert narrow.post(CHAT, json=BODY, headers=headers).json()["error"]["code"] == "model_not_allowed"
    assert len(ids) == 2


def test_a_rotated_api_key_finds_its_runs(server: RunningServer) -> None:
    headers = fresh()
    key, client = make_key(server)
    with client, server.client() as admin:
        first = client.post(CHAT, json=BODY, headers=headers)
        other = admin.post(f"/admin/keys/{key}/rotate").json()["key"]
        again = client.post(CHAT, json=BODY, headers=headers | {"authorization": f"Bearer {other}"})
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb", "schlüssel".encode(), b"\xff"])
def test_invalid_keys_are_refused_by_name(server: RunningServer, key: str | bytes) -> None:
    with server.client() as client:
        response = client.post(
            CHAT, json=BODY, headers=[(b"idempotency-key", key if isinstance(key, bytes) else key.encode())]
        )
        twice = client.post(CHAT, json=BODY, headers=[("idempotency-key", "a"), ("idempotency-key", "b")])
        longest = client.post(CHAT, json=BODY, headers={"idempotency-key": "x" * 247 + secrets.token_hex(4)})
    for refused in (response, twice):
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "Idempotency-Key")
    assert longest.status_code == 200


def test_a_failed_run_is_repeated(server: RunningServer) -> None:
    headers = fresh()
    _, client = make_key(server, limits={"requests_per_minute": 1})
    with client, server.client() as other:
        wrong = client.post(CHAT, json=BODY | {"n": 0}, headers=headers)
        right = client.post(CHAT, json=BODY, headers=headers)
        limited = client.post(CHAT, json=BODY, headers=(late := fresh()))
        replayed = client.post(CHAT, json=BODY, headers=headers)
        allowed = other.post(CHAT, json=BODY, headers=late)
    assert [response.status_code for response in (wrong, right, limited, replayed, allowed)] == [
        422,
        200,
        429,
        200,
        200,
    ]
    assert "idempotent-replayed" not in allowed.headers


def test_a_missing_body_is_refused(server: RunningServer) -> None:
    with server.client() as client:
        broken = client.post(CHAT, content=b"{", headers=fresh())
        text = client.post(CHAT, content=b"{}", headers=fresh() | {"content-type": "text/plain"})
    assert (broken.status_code, text.status_code) == (400, 415)


def test_a_shutdown_ends_abandoned_runs_and_writes_their_rows(tiny_gguf: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with run_server([f"tiny={tiny_gguf}"], home) as server:
        with server.client() as client:
            endless = LONG | {"stream": True, "n": 16}
            with client.stream("POST", CHAT, json=endless, headers=fresh()) as response:
                begun = next(line for line in response.iter_lines() if line.startswith("data: {"))
        assert server.stop() == 0
    with closing(sqlite3.connect(home / "forefront.db")) as store:
        rows = store.execute("SELECT id, status FROM completions").fetchall()
    assert rows == [(chunk_id(begun), "aborted")]
