"""A response ends when its key is revoked or expires, within about a second, with one error and its ledger row."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import httpx
import pytest

from forefront.cli.settings.config import Config
from forefront.server.key_revocation import KeyRevocation
from tests.server.sending.test_resumed_streams import wait_for_usage
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3000}
RESPONSE = {"model": MODEL, "input": "Hi", "max_output_tokens": 3000}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"model": MODEL, "prompt": "Hi", "max_tokens": 3000},
    "/v1/responses": RESPONSE,
    "/v1/messages": CHAT,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instant]:
    folder = tmp_path_factory.mktemp("watch")
    with Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", settings=Config(), pause=0.01) as server:
        yield server


@pytest.fixture(scope="module")
def admin(served: Instant) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as client:
        yield client


def new_key(admin: httpx.Client, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = admin.post("/admin/keys", json={"name": "k", "scopes": ["chat"]} | fields).json()
    return made


def events_of(served: Instant, path: str, key: str, at_first: Any) -> list[dict[str, Any]]:
    """The events of a stream. `at_first` is called once the first has come."""
    events: list[dict[str, Any]] = []
    headers = {"authorization": f"Bearer {key}"}
    with httpx.stream("POST", served.url + path, json=BODIES[path] | {"stream": True}, headers=headers) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            assert line != "data: [DONE]"
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                if len(events) == 1:
                    at_first()
    return events


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_a_stream_ends_when_its_key_is_revoked(served: Instant, admin: httpx.Client, path: str) -> None:
    made = new_key(admin)
    events = events_of(served, path, made["key"], lambda: admin.delete(f"/admin/keys/{made['id']}"))
    text = json.dumps(events[-1])
    assert "has been revoked or has expired" in text
    assert sum("has been revoked" in json.dumps(event) for event in events) == 1
    if path == "/v1/chat/completions":
        assert events[-1]["error"]["code"] == "invalid_api_key"
        usage = wait_for_usage(admin, events[0]["id"])
        assert usage["status"] == "aborted"
        # What has been sent is charged, and no more than about a second's tokens beyond it are generated.
        assert 0 < usage["output_tokens"] < 2000


def test_a_whole_response_is_refused(served: Instant, admin: httpx.Client) -> None:
    made = new_key(admin)
    timer = threading.Timer(0.2, lambda: admin.delete(f"/admin/keys/{made['id']}"))
    timer.start()
    headers = {"authorization": f"Bearer {made['key']}"}
    refused = httpx.post(f"{served.url}/v1/chat/completions", json=CHAT, headers=headers, timeout=60)
    timer.join()
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_stream_ends_when_its_key_expires(served: Instant, admin: httpx.Client) -> None:
    made = new_key(admin, expires=int(time.time()) + 4)
    begin = time.monotonic()
    events = events_of(served, "/v1/chat/completions", made["key"], lambda: None)
    assert events[-1]["error"]["code"] == "invalid_api_key"
    assert time.monotonic() - begin < 20, "the whole answer takes 30 seconds"


def test_other_keys_of_the_project_go_on(served: Instant, admin: httpx.Client) -> None:
    made, other = new_key(admin), new_key(admin)
    headers = {"authorization": f"Bearer {other['key']}"}
    body = CHAT | {"max_tokens": 150, "stream": True}
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
        lines = response.iter_lines()
        next(lines)
        admin.delete(f"/admin/keys/{made['id']}")
        assert "data: [DONE]" in list(lines)


class Keys:
    """Keys that are all valid."""

    reads = 0

    async def refresh(self) -> None:
        self.reads += 1

    def has(self, _key: str) -> bool:
        return True


async def test_nothing_watches_an_idle_server() -> None:
    keys: Any = Keys()
    watch = KeyRevocation(keys, interval=0.001)
    principal, response = MagicMock(), MagicMock()
    watch.add(principal, response)
    while not keys.reads:
        await asyncio.sleep(0.001)
    watch.remove(response)
    await asyncio.sleep(0.02)
    before = keys.reads
    await asyncio.sleep(0.02)
    assert keys.reads == before
    response.cancel.assert_not_called()
