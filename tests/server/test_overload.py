"""A full server refuses every further request at once, and continues."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from forefront.cli.settings.sections import Config, QueueSettings
from tests.support.backends.instant import KEY, MODEL, Nursery

BODY = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}).encode()
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with one slot and one place to wait, both taken for as long as it runs."""
    folder = tmp_path_factory.mktemp("full")
    settings = Config(queue=QueueSettings(running=1, waiting=1))
    long = json.loads(BODY) | {"max_tokens": 1000}
    with (
        ThreadPoolExecutor() as threads,
        Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", settings=settings, pause=0.5) as server,
    ):
        taken = [threads.submit(_ask, server.url, long) for _ in range(2)]
        while (status := httpx.get(f"{server.url}/admin/status", headers=HEADERS).json())["waiting"] < 1:
            assert status["running"] <= 1
            time.sleep(0.01)
        yield server.url
    assert all(future.exception() is not None for future in taken)  # they never got their answers


def test_a_refusal_precedes_the_body(full: str) -> None:
    host, port = full.removeprefix("http://").split(":")
    lines = [f"{name}: {value}" for name, value in (HEADERS | {"content-length": str(len(BODY))}).items()]
    head = "\r\n".join(["POST /v1/chat/completions HTTP/1.1", "host: test", *lines, "", ""]).encode()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        for _ in range(2):  # the connection stays usable
            connection.sendall(head)
            response = b""
            while not response.endswith(b"}}"):
                response += connection.recv(2**16)
            assert response.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: " in response
            connection.sendall(BODY)


def test_other_routes_are_answered(full: str) -> None:
    assert httpx.post(f"{full}/v1/chat/completions", headers=HEADERS, content=BODY).status_code == 503
    assert httpx.get(f"{full}/health").status_code == 200
    assert httpx.get(f"{full}/v1/models", headers=HEADERS).status_code == 200


def test_a_full_queue_is_not_revealed_without_a_key(full: str) -> None:
    assert httpx.post(f"{full}/v1/chat/completions", content=BODY).status_code == 401


def _ask(url: str, fields: dict[str, object]) -> None:
    httpx.post(f"{url}/v1/chat/completions", headers=HEADERS, json=fields, timeout=300)
