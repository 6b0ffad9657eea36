"""Connections without a key, and those of one project, leave room for others."""

import json
import socket
import ssl
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.cli.settings.test_config import make_pair
from tests.security.raw import RawResponse, exchange, read_all, request
from tests.support.server import KEY, RunningServer, run_server

HEALTH = request("GET", "/health", "Host: x", "Connection: close")
MODELS = request("GET", "/v1/models", "Host: x", f"Authorization: Bearer {KEY}")
PARTIAL = b"GET /health HTTP/1.1\r\nX: "
_PLACES = 40


@pytest.fixture(scope="module")
def small(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with 40 places, 8 of them for an address without a key."""
    variables = {"FOREFRONT_SERVER_CONNECTIONS": str(_PLACES), "FOREFRONT_SERVER_CONNECTIONS_PER_ADDRESS": "8"}
    with run_server([f"tiny={tiny_gguf}"], tmp_path_factory.mktemp("small"), environment=variables) as running:
        yield running


@contextmanager
def flood(
    server: RunningServer, count: int, content: bytes = b"", address: str = "127.0.0.2"
) -> Iterator[list[socket.socket]]:
    """Open connections from another address, all of which say the same."""
    target, held = ("127.0.0.1", int(server.url.rpartition(":")[2])), []
    try:
        for _ in range(count):
            held.append(socket.create_connection(target, timeout=10, source_address=(address, 0)))
            if content:
                with suppress(OSError):  # the server may have closed it
                    held[-1].sendall(content)
        yield held
    finally:
        for one in held:
            one.close()


def is_open(opened: socket.socket) -> bool:
    opened.settimeout(0.01)
    try:
        return bool(opened.recv(1))
    except TimeoutError:
        return True
    except OSError:
        return False


@pytest.mark.parametrize("content", [b"", PARTIAL, request("POST", "/v1/models", "Host: x", "Content-Length: 9")])
def test_health_answers_while_another_address_holds_2500_connections(server: RunningServer, content: bytes) -> None:
    def median_seconds() -> float:
        times = []
        for _ in range(20):
            begin = time.monotonic()
            response = exchange(server.url, HEALTH)
            times.append(time.monotonic() - begin)
            assert response.status == 200
        return statistics.median(times)

    alone = median_seconds()
    with flood(server, 2500, content):
        assert median_seconds() < 0.05 + 20 * alone


@pytest.mark.parametrize("content", [b"", PARTIAL])
def test_an_address_is_limited_to_its_share(small: RunningServer, content: bytes) -> None:
    with flood(small, 60, content) as held:
        deadline = time.monotonic() + 60  # the closing packets of the last connections may still be on their way
        while sum(map(is_open, held)) > _PLACES and time.monotonic() < deadline:
            time.sleep(0.02)
        assert sum(map(is_open, held)) <= _PLACES
        time.sleep(1.1)
        for _ in range(3):
            assert exchange(small.url, HEALTH).status == 200
        with flood(small, 1) as [newest]:
            assert sum(map(is_open, held)) <= 8
            assert is_open(newest)
            newest.sendall(HEALTH)
            newest.settimeout(10)
            assert read_all(newest).status == 200


def test_the_same_address_is_admitted(small: RunningServer) -> None:
    with flood(small, 100, address="127.0.0.1"):
        assert exchange(small.url, HEALTH).status == 200
        with small.client() as client:
            assert client.get("/v1/models").status_code == 200


def ask(opened: socket.socket, content: bytes) -> RawResponse:
    """One answer on a connection that stays open."""
    opened.settimeout(10)
    opened.sendall(content)
    got = b""
    while b"}" not in got or not got.endswith(b"}"):
        piece = opened.recv(2**16)
        assert piece
        got += piece
    return RawResponse(int(got[9:12]), got, closed=False)


def test_a_connection_with_a_key_outlives_a_flood(small: RunningServer) -> None:
    with flood(small, 12, address="127.0.0.1") as mine:
        for one in mine:
            assert ask(one, MODELS).status == 200
        time.sleep(1.1)
        for address in ("127.0.0.1", "127.0.0.2"):
            with flood(small, 100, PARTIAL, address=address):
                assert exchange(small.url, HEALTH).status == 200
        for one in mine:
            assert ask(one, MODELS).status == 200


def test_an_invalid_key_does_not_count_as_a_key(small: RunningServer) -> None:
    wrong = MODELS.replace(KEY.encode(), b"ff-wrong")
    with flood(small, 8) as held:
        for one in held:
            assert ask(one, wrong).status == 401
        time.sleep(1.1)
        with flood(small, 1):
            assert exchange(small.url, HEALTH).status == 200
            assert sum(map(is_open, held)) <= 7


def test_one_project_does_not_take_all_places(small: RunningServer) -> None:
    long = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1500, "stream": True}
    body = json.dumps(long | {"logit_bias": {"2": -100}}).encode()
    lines = (
        "Host: x",
        f"Authorization: Bearer {KEY}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    chat = request("POST", "/v1/chat/completions", *lines, body=body)
    with small.client() as client:
        other = client.post("/admin/keys", json={"name": "other", "project": "other"}).json()["key"]
    with flood(small, 30, chat) as busy:
        deadline = time.monotonic() + 60
        while exchange(small.url, MODELS, timeout=0.3).status != 503:
            assert time.monotonic() < deadline
        refused = exchange(small.url, MODELS)
        assert (refused.status, refused.closed) == (503, True)
        assert json.loads(refused.body)["error"]["code"] == "overloaded"
        assert exchange(small.url, HEALTH).status == 200
        with httpx.Client(base_url=small.url, headers={"authorization": f"Bearer {other}"}) as asking:
            assert asking.get("/v1/models").status_code == 200
        assert all(map(is_open, busy))


def test_handshakes_are_connections_too(tiny_gguf: Path, tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path / "pair")
    variables = {"FOREFRONT_SERVER_TLS_CERTIFICATE": str(certificate), "FOREFRONT_SERVER_TLS_KEY": str(key)}
    variables |= {"FOREFRONT_SERVER_CONNECTIONS": str(_PLACES), "FOREFRONT_SERVER_CONNECTIONS_PER_ADDRESS": "8"}
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server:
        context = ssl.create_default_context(cafile=str(certificate))
        files = Path(f"/proc/{server.process.pid}/fd")
        with (
            flood(server, 200, b"\x16\x03\x01\x02") as held,
            httpx.Client(base_url=server.url, verify=context) as client,
        ):
            assert client.get("/health").status_code == 200
            assert sum(map(is_open, held)) <= _PLACES
            before = len(list(files.iterdir()))
            with flood(server, 200):
                assert client.get("/health").status_code == 200
                deadline = time.monotonic() + 60
                while len(list(files.iterdir())) > before + _PLACES:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
        assert server.stop() == 0
