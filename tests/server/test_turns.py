"""The longest turn of the event loop, in processor time, for inputs that cost more than their size suggests."""

import json
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.settings.test_config import make_pair
from tests.security.raw import connection
from tests.support.server import RunningServer, run_server

# Connections that arrive at once: as many as are accepted in a turn, and many more.
_FEW, _MANY = 4, 500
_LONG = 0.015  # seconds of a turn
_LIMITS = {"FOREFRONT_SERVER_CONNECTIONS": "4000", "FOREFRONT_SERVER_CONNECTIONS_PER_ADDRESS": "1000"}

Longest = Callable[[], float]


@contextmanager
def measured(folder: Path, model: Path, **variables: str) -> Iterator[tuple[RunningServer, Longest]]:
    """A server, and the seconds of the longest turn since the last call."""
    path, module = folder / "longest", "tests.support.backends.turns"

    def longest() -> float:
        path.unlink(missing_ok=True)
        server.process.send_signal(signal.SIGUSR2)
        while not path.exists():
            assert server.process.poll() is None
            time.sleep(0.01)
        return float(path.read_text())

    environment = {"TURNS_FILE": str(path)} | _LIMITS | variables
    with run_server([f"tiny={model}"], folder / "home", environment=environment, module=module) as server:
        yield server, longest


@pytest.fixture(scope="module")
def plain(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Longest]]:
    with measured(tmp_path_factory.mktemp("plain"), tiny_gguf) as server:
        yield server


@pytest.fixture(scope="module")
def encrypted(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Longest]]:
    folder = tmp_path_factory.mktemp("encrypted")
    certificate, key = make_pair(folder / "pair", algorithm="rsa", bits="rsa_keygen_bits:2048")
    variables = {"FOREFRONT_SERVER_TLS_CERTIFICATE": str(certificate), "FOREFRONT_SERVER_TLS_KEY": str(key)}
    with measured(folder, tiny_gguf, **variables) as server:
        yield server


@contextmanager
def arriving_at_once(server: RunningServer, count: int, content: bytes) -> Iterator[list[socket.socket]]:
    """Many connections, each with that content, which the server gets in one iteration of its event loop."""
    server.process.send_signal(signal.SIGSTOP)
    with ExitStack() as stack:
        try:
            opened = [stack.enter_context(connection(server.url, 30)) for _ in range(count)]
            for client in opened:
                client.sendall(content)
        finally:
            server.process.send_signal(signal.SIGCONT)
        yield opened


def test_few_handshakes_begin_in_one_turn(encrypted: tuple[RunningServer, Longest]) -> None:
    server, longest = encrypted

    def turn_of(count: int) -> float:
        longest()
        with arriving_at_once(server, count, client_hello()) as opened:
            for client in opened:
                assert client.recv(2**16).startswith(b"\x16\x03")
            return longest()

    few = max(turn_of(_FEW) for _ in range(3))
    many = turn_of(_MANY)
    assert many < 4 * few, (many, few)


def client_hello() -> bytes:
    """The first message of a handshake."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(received, sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def test_long_items_of_conversations_are_encoded_in_threads(plain: tuple[RunningServer, Longest]) -> None:
    server, longest = plain
    item = {"role": "user", "content": '"\\\n' * 620_000}  # every character of it is escaped
    with server.client() as client:
        body = json.dumps({"items": [item]})
        longest()
        created = client.post("/v1/conversations", content=body, headers={"content-type": "application/json"})
        path = f"/v1/conversations/{created.json()['id']}/items"
        [listed] = client.get(path).json()["data"]
        assert client.get(f"{path}/{listed['id']}").json() == listed
        assert longest() < _LONG
