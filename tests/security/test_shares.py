"""One project requests all that it can; the short answer of another comes after a few steps of the engine."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.raw import request
from tests.support.server import RunningServer, run_server

LONG: dict[str, Any] = {"model": "tiny", "max_tokens": 1900, "logit_bias": {"2": -100}}
SHORT: dict[str, Any] = LONG | {"max_tokens": 4, "messages": [{"role": "user", "content": "quick"}]}
# Tokens sampled for the greedy project while the neighbour's answer of four was made: some 150 steps. An engine that
# serves in order of arrival samples hundreds of thousands.
FEW = 10_000


@pytest.fixture(scope="module")
def served(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server([f"tiny={tiny_gguf}"], tmp_path_factory.mktemp("shares") / "home") as running:
        yield running


@pytest.fixture
def greedy(served: RunningServer) -> Iterator[httpx.Client]:
    yield from _project(served, "greedy")


@pytest.fixture
def neighbour(served: RunningServer) -> Iterator[httpx.Client]:
    yield from _project(served, "neighbour")


def test_a_batch_of_four_thousand_sequences(
    served: RunningServer, greedy: httpx.Client, neighbour: httpx.Client
) -> None:
    batch = LONG | {"prompt": [f"Chapter {number}" for number in range(256)], "n": 16}
    with ExitStack() as held:
        _unread(served, greedy, batch, held, "/v1/completions")
        _until(lambda: _engine(served)["running"] == 64)
        assert _cost(served, neighbour) < FEW
        assert _engine(served)["waiting"] > 100  # it is far from its end
    _until_idle(served)


def test_many_unread_streams(served: RunningServer, greedy: httpx.Client, neighbour: httpx.Client) -> None:
    fields = LONG | {"messages": [{"role": "user", "content": "unread"}], "n": 16, "stream": True}
    with ExitStack() as held:
        for _ in range(64):
            _unread(served, greedy, fields, held)
        _until(lambda: _engine(served)["running"] == 64)
        for _ in range(3):
            assert _cost(served, neighbour) < FEW
    _until_idle(served)


def test_more_long_answers_than_slots_and_places(
    served: RunningServer, greedy: httpx.Client, neighbour: httpx.Client
) -> None:
    """A project that fills its part of the queue is refused there, and no other one is."""
    fields = LONG | {"messages": [{"role": "user", "content": "long"}], "n": 16, "stream": True}
    with ExitStack() as held, ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: _unread(served, greedy, fields, held), range(1000)))
        _until(lambda: _status(served)["waiting"] > 850)
        refused = greedy.post("/v1/chat/completions", json=SHORT)
        assert refused.status_code == 503
        assert int(refused.headers["x-queue-position"]) > 850
        assert int(refused.headers["retry-after"]) >= 1
        assert _cost(served, neighbour) < FEW
        with neighbour.stream("POST", "/v1/chat/completions", json=SHORT | {"stream": True}) as response:
            assert b"waiting" not in response.read()
    _until_idle(served)


@pytest.mark.slow
def test_a_slot_is_freed_when_the_work_ends_not_the_reading(tiny_gguf: Path, tmp_path: Path) -> None:
    """Two answers that are not read would keep both turns of their own project for an hour."""
    variables = {"FOREFRONT_QUEUE_RUNNING": "2", "FOREFRONT_SERVER_SEND_SECONDS": "3600"}
    fields = LONG | {"messages": [{"role": "user", "content": "unread"}], "n": 8, "max_tokens": 1500, "stream": True}
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server:
        with server.client() as client, ExitStack() as held:
            for _ in range(2):
                _unread(server, client, fields, held)
            _until(lambda: _status(server)["running"] == 2)
            assert client.post("/v1/chat/completions", json=SHORT).status_code == 200
            _until(lambda: _status(server)["running"] == 0, 200)
            assert _engine(server)["tokens_sampled"] >= 2 * 8 * 1500
        _until(lambda: server.get("/admin/usage").json()["data"][0]["requests"] == 3)


def _cost(server: RunningServer, neighbour: httpx.Client) -> int:
    """The tokens that the engine sampled in all while the neighbour's short answer was made."""
    before: int = _engine(server)["tokens_sampled"]
    assert neighbour.post("/v1/chat/completions", json=SHORT).status_code == 200
    cost: int = _engine(server)["tokens_sampled"] - before
    return cost


def _project(server: RunningServer, name: str) -> Iterator[httpx.Client]:
    with server.client() as admin:
        key = admin.post("/admin/keys", json={"name": name, "project": name}).json()["key"]
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


def _unread(
    server: RunningServer,
    client: httpx.Client,
    fields: dict[str, Any],
    held: ExitStack,
    path: str = "/v1/chat/completions",
) -> None:
    """A request whose answer is not read."""
    content = json.dumps(fields).encode()
    headers = (f"Authorization: {client.headers['authorization']}", "Host: x", f"Content-Length: {len(content)}")
    opened = held.enter_context(socket.socket())
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    opened.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    opened.sendall(request("POST", path, *headers, body=content))


def _status(server: RunningServer) -> dict[str, Any]:
    status: dict[str, Any] = server.get("/admin/status").json()
    return status


def _engine(server: RunningServer) -> dict[str, Any]:
    engine: dict[str, Any] = _status(server)["models"]["tiny"]
    return engine


def _until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _until_idle(server: RunningServer) -> None:
    _until(lambda: not any(_status(server)[name] or _engine(server)[name] for name in ("running", "waiting")))
