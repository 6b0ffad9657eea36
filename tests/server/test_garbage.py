"""What a request leaves to the garbage collector, whose runs stop the event loop."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer, run_server

# Objects that a request may leave; without cycles it leaves none, a connection with one request 32, a generation 14.
_FEW = 3
_REQUESTS = 30
_CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}


@pytest.fixture(scope="module")
def garbage_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("garbage") / "found"


@pytest.fixture(scope="module")
def uncollected(
    tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory, garbage_file: Path
) -> Iterator[RunningServer]:
    module, environment = "tests.support.backends.uncollected", {"GARBAGE_FILE": str(garbage_file)}
    home = tmp_path_factory.mktemp("uncollected") / "home"
    with run_server([f"tiny={tiny_gguf}"], home, environment=environment, module=module) as server:
        yield server


@pytest.fixture(scope="module")
def admin(uncollected: RunningServer) -> Iterator[httpx.Client]:
    with uncollected.client() as client:
        yield client


def whole(server: RunningServer, _: httpx.Client) -> None:
    send(server, "/v1/chat/completions", _CHAT)


def stream(server: RunningServer, _: httpx.Client) -> None:
    send(server, "/v1/chat/completions", _CHAT | {"stream": True})


def prompts(server: RunningServer, _: httpx.Client) -> None:
    send(server, "/v1/completions", {"model": "tiny", "prompt": ["a"] * 16, "max_tokens": 2})


def wrong(server: RunningServer, _: httpx.Client) -> None:
    send(server, "/v1/chat/completions", _CHAT | {"stop": [1]}, b" 422 ")


def abort(server: RunningServer, admin: httpx.Client) -> None:
    with connected(server, "/v1/chat/completions", _CHAT | {"max_tokens": 200}):
        while not running(admin):
            time.sleep(0.001)


@pytest.mark.parametrize("ask", [whole, stream, prompts, wrong, abort])
def test_requests_and_connections_leave_no_cycles(
    uncollected: RunningServer, admin: httpx.Client, garbage_file: Path, ask: Callable[[RunningServer, Any], None]
) -> None:
    ask(uncollected, admin)
    collected(uncollected, admin, garbage_file)
    for _ in range(_REQUESTS):
        ask(uncollected, admin)
    assert collected(uncollected, admin, garbage_file) < _FEW * _REQUESTS


def send(server: RunningServer, path: str, fields: dict[str, Any], status: bytes = b" 200 ") -> None:
    """One request on its own connection."""
    with connected(server, path, fields) as client:
        received = b""
        while piece := client.recv(2**16):
            received += piece
        assert status in received.partition(b"\r\n")[0]


@contextmanager
def connected(server: RunningServer, path: str, fields: dict[str, Any]) -> Iterator[socket.socket]:
    """A connection on which a request has been sent."""
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.key}\r\nconnection: close\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + body)
        yield client


def running(admin: httpx.Client) -> int:
    """The sequences of the engine."""
    engine = admin.get("/admin/status").json()["models"]["tiny"]
    return int(engine["running"]) + int(engine["waiting"])


def collected(server: RunningServer, admin: httpx.Client, path: Path) -> int:
    """Objects that the collector finds once nothing runs."""
    while running(admin):
        time.sleep(0.01)
    path.unlink(missing_ok=True)
    server.process.send_signal(signal.SIGUSR2)
    while not path.exists():
        time.sleep(0.01)
    return int(path.read_text())
