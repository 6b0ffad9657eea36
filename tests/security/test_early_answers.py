"""A response that ends the connection while its request still arrives reaches the client."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.settings.test_config import make_pair
from tests.security.raw import RawResponse, connection, read_all, request
from tests.support.server import KEY, RunningServer, run_server

AUTHORIZED = ("Host: x", "Content-Type: application/json", f"Authorization: Bearer {KEY}")
BODY = b"x" * 700
CASES = {
    401: ("POST", "/v1/chat/completions", "Host: x"),
    404: ("POST", "/nothing", *AUTHORIZED),
    405: ("POST", "/v1/models", *AUTHORIZED),
    413: ("POST", "/v1/chat/completions", *AUTHORIZED),
    415: ("POST", "/v1/chat/completions", "Content-Type: text/plain", *AUTHORIZED[::2]),
}
CLOSING = {
    "HTTP/1.0": "X: y",
    "HTTP/1.0 keep-alive": "Connection: upgrade, keep-alive",
    "HTTP/1.1": "Connection: close",
}


def head(status: int, closing: str) -> bytes:
    length = 2**30 if status == 413 else len(BODY)
    content = request(*CASES[status], CLOSING[closing], f"Content-Length: {length}")
    return content.replace(b"HTTP/1.1", closing[:8].encode(), 1)


def send_slowly(opened: socket.socket, content: bytes, size: int) -> RawResponse:
    """Send pieces of `size` bytes one millisecond apart, all of them before anything is read."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(content), size):
        opened.sendall(content[at : at + size])
        time.sleep(0.001)
    return read_all(opened)


@pytest.mark.parametrize("closing", CLOSING)
@pytest.mark.parametrize("status", CASES)
def test_the_response_is_complete_while_a_body_arrives(server: RunningServer, status: int, closing: str) -> None:
    with connection(server.url) as opened:
        response = send_slowly(opened, head(status, closing) + BODY, 7)
    assert (response.status, response.count, response.closed) == (status, 1, True), response
    assert response.content.endswith(b"}")


def test_the_response_is_complete_while_megabytes_arrive(server: RunningServer) -> None:
    with connection(server.url) as opened:
        response = send_slowly(opened, head(413, "HTTP/1.1") + bytes(12 * 2**20), 2**16)
    assert (response.status, response.closed) == (413, True), response


def test_the_response_is_complete_with_pipelined_requests(server: RunningServer) -> None:
    last = request("GET", "/health", "Host: x", "Connection: close")
    with connection(server.url) as opened:
        response = send_slowly(opened, last + request("GET", "/health", "Host: x") * 20, len(last))
    assert (response.status, response.count, response.closed) == (200, 1, True), response


@pytest.fixture(scope="module")
def tls(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server with TLS that waits five seconds for headers, and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_pair(folder / "pair")
    variables = {"FOREFRONT_SERVER_TLS_CERTIFICATE": str(certificate), "FOREFRONT_SERVER_TLS_KEY": str(key)}
    variables["FOREFRONT_SERVER_HEADER_SECONDS"] = "5"
    with run_server([f"tiny={tiny_gguf}"], folder / "home", environment=variables) as running:
        yield running, certificate


@pytest.mark.parametrize("status", CASES)
def test_the_response_is_complete_over_tls(tls: tuple[RunningServer, Path], status: int) -> None:
    server, certificate = tls
    context = ssl.create_default_context(cafile=str(certificate))
    with connection(server.url) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
        response = send_slowly(opened, head(status, "HTTP/1.1") + BODY, 7)
    assert (response.status, response.count, response.closed) == (status, 1, True), response
    assert response.content.endswith(b"}")


def test_the_response_is_complete_over_tls_while_megabytes_arrive(tls: tuple[RunningServer, Path]) -> None:
    server, certificate = tls
    context = ssl.create_default_context(cafile=str(certificate))
    with connection(server.url) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
        response = send_slowly(opened, head(413, "HTTP/1.1") + bytes(12 * 2**20), 2**16)
    assert (response.status, response.closed) == (413, True), response


def test_an_endless_sender_is_disconnected(server: RunningServer) -> None:
    """By bytes if it is fast."""
    sent = 0
    with connection(server.url, timeout=30) as opened:
        opened.sendall(head(413, "HTTP/1.1"))
        with pytest.raises(OSError):
            while sent < 2**28:
                opened.sendall(bytes(2**20))
                sent += 2**20
    assert sent < 2**27


def test_a_slow_sender_is_disconnected(tls: tuple[RunningServer, Path]) -> None:
    """By time if it is slow: the connection is the next one's."""
    server, certificate = tls
    context = ssl.create_default_context(cafile=str(certificate))
    begin = time.monotonic()
    with connection(server.url) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
        opened.sendall(head(413, "HTTP/1.1"))
        with pytest.raises(OSError):
            while time.monotonic() - begin < 60:
                opened.sendall(b"x")
                time.sleep(0.1)
