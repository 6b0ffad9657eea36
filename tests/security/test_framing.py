"""The limits of requests: ambiguous framing, and slow senders."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.settings.test_config import make_pair
from tests.security.errors import check_error, watched
from tests.security.raw import RawResponse, connection, exchange, read_all, request
from tests.support.server import KEY, RunningServer, run_server

BODY = b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}'
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n"
CHAT = ("POST", "/v1/chat/completions", "Host: x", "Content-Type: application/json", f"Authorization: Bearer {KEY}")
SMUGGLED = request("GET", "/health", "Host: x")


@pytest.fixture(scope="module")
def hasty(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that waits for headers and bodies for two seconds, and takes 40 connections."""
    variables = {f"FOREFRONT_SERVER_{name}_SECONDS": "2" for name in ("HEADER", "BODY")}
    variables["FOREFRONT_SERVER_CONNECTIONS"] = "40"
    with run_server([f"tiny={tiny_gguf}"], tmp_path_factory.mktemp("hasty"), environment=variables) as running:
        yield running


@pytest.mark.parametrize(
    "content",
    [
        request(*CHAT, LENGTH, "Transfer-Encoding: chunked", body=CHUNKED),
        request(*CHAT, "Transfer-Encoding: chunked", LENGTH, body=CHUNKED),
        request(*CHAT, LENGTH, LENGTH, body=BODY),
        request(*CHAT, LENGTH, "Content-Length: 0", body=BODY),
        request(*CHAT, f"Content-Length: {len(BODY)}, {len(BODY)}", body=BODY),
        request(*CHAT, f"Content-Length: +{len(BODY)}", body=BODY),
        request(*CHAT, "Content-Length: -1", body=BODY),
        request(*CHAT, "Content-Length: 0x10", body=BODY),
        request(*CHAT, f"Content-Length: {2**64 + len(BODY)}", body=BODY),
        request(*CHAT, f"Content-Length:\r\n {len(BODY)}", body=BODY),
        request(*CHAT, "Transfer-Encoding: xchunked", body=CHUNKED),
        request(*CHAT, "Transfer-Encoding: chunked, identity", body=CHUNKED),
        request(*CHAT, "Transfer-Encoding : chunked", body=CHUNKED),
        request(*CHAT, "Transfer-Encoding: \x0bchunked", body=CHUNKED),
        request(*CHAT, "Transfer-Encoding:\r\n chunked", body=CHUNKED),
        request(*CHAT, "Transfer-Encoding: chunked", body=CHUNKED.replace(b"\r\n", b"\n")),
        request(*CHAT, "Transfer-Encoding: chunked", body=b"zz\r\n" + CHUNKED),
        request(*CHAT, "Transfer-Encoding: chunked", body=b"-1\r\n" + CHUNKED),
        request(*CHAT, "Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\n" + CHUNKED),
        request(*CHAT, "X: a\rContent-Length: 0", LENGTH, body=BODY),
        request(*CHAT, "X: a\0b", LENGTH, body=BODY),
        request(*CHAT, LENGTH, body=BODY).replace(b"\r\n", b"\n"),
        request("GET", "/health /x", "Host: x"),
        request("GET", "/health\xff", "Host: x"),
        request("G@T", "/health", "Host: x"),
        request("CONNECT", "x:80", "Host: x"),
        request("CONNECT", "/v1/models", "Host: x", LENGTH, body=BODY),
        request(*CHAT[:2], *CHAT[3:], LENGTH, body=BODY),
        request(*CHAT, "Host: x", LENGTH, body=BODY),
        request(*CHAT, "Transfer-Encoding: gzip, chunked", body=CHUNKED),
        request(*CHAT, "Transfer-Encoding: chunked", body=CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
        request("GET", "/health", "Host: x").replace(b"HTTP/1.1", b"HTTP/2.0"),
        request("GET", "/health", "Host: x").replace(b"HTTP/1.1", b"RTSP/1.0"),
        request("GET", "/health#x", "Host: x"),
        request("GET", "http://user@x/health", "Host: x"),
        b"GET /health\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    ],
)
def test_ambiguous_framing_is_one_400_and_a_closed_connection(server: RunningServer, content: bytes) -> None:
    response = exchange(server.url, content + SMUGGLED)
    assert (response.status, response.count, response.closed) == (400, 1, True), response
    assert check_error(400, response.body)["code"] == "invalid_http"


def test_unambiguous_framing_is_answered(server: RunningServer) -> None:
    """Or the test above would pass for a server that refuses everything."""
    for content in (request(*CHAT, LENGTH, body=BODY), request(*CHAT, "Transfer-Encoding: chunked", body=CHUNKED)):
        response = exchange(server.url, content + request("GET", "/health", "Host: x", "Connection: close"))
        assert (response.status, response.count) == (200, 2), response


def test_garbage_after_a_request_does_not_affect_its_response(server: RunningServer) -> None:
    long = json.dumps(
        json.loads(BODY) | {"max_tokens": 1500, "n": 16, "stream": True, "logit_bias": {"2": -100}}
    ).encode()
    with connection(server.url) as opened:
        opened.sendall(request(*CHAT, f"Content-Length: {len(long)}", body=long))
        first = opened.recv(2**16)
        assert first.startswith(b"HTTP/1.1 200")
        opened.sendall(b"\x00nonsense\r\n\r\n")
        response = read_all(opened)
    assert response.closed
    assert response.count == 0
    assert b"[DONE]" not in response.content


def test_an_answer_stops_after_a_disconnect_with_a_pipelined_request(server: RunningServer) -> None:
    long = json.dumps(json.loads(BODY) | {"max_tokens": 1900, "n": 4, "logit_bias": {"2": -100}}).encode()
    with server.client() as client:
        for _ in range(4):
            with connection(server.url) as opened:
                opened.sendall(request(*CHAT, f"Content-Length: {len(long)}", body=long) + SMUGGLED)
                wait_for(client, running=True)
            wait_for(client, running=False)
        usage = client.get("/admin/usage").json()["data"]
    assert usage


def wait_for(client: httpx.Client, *, running: bool) -> None:
    """Well before the answers would have come to their own ends."""
    deadline = time.monotonic() + 60
    while bool(client.get("/admin/status").json()["running"]) is not running:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_long_pipeline_of_requests_is_ended(server: RunningServer) -> None:
    long = json.dumps(json.loads(BODY) | {"max_tokens": 1900, "logit_bias": {"2": -100}}).encode()
    response = exchange(server.url, request(*CHAT, f"Content-Length: {len(long)}", body=long) + SMUGGLED * 1000)
    assert response.closed
    assert response.count == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("extra", [(), ("Host: x",), ("Connection: keep-alive",), ("Expect: 100-continue",)])
def test_an_http_1_0_client_gets_no_chunks(server: RunningServer, stream: bool, extra: tuple[str, ...]) -> None:
    body = json.dumps(json.loads(BODY) | {"stream": stream}).encode()
    lines = (*CHAT[3:], *extra, f"Content-Length: {len(body)}")
    content = request("POST", "/v1/chat/completions", *lines, body=body).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    response = exchange(server.url, content + SMUGGLED)
    head = response.content.partition(b"\r\n\r\n")[0].lower()
    assert (response.status, response.count, response.closed) == (200, 1, True), response
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    if stream:
        assert response.body.endswith(b"data: [DONE]\n\n")
        assert all(line.startswith((b"data: ", b":")) for line in response.body.splitlines() if line)
    else:
        assert json.loads(response.body)["object"] == "chat.completion"


def test_refusing_an_expected_body_closes_the_connection(server: RunningServer) -> None:
    """The client may leave the body out: what it sends next would be taken for that."""
    refused = ("POST", "/v1/chat/completions", "Host: x", "Expect: 100-continue", LENGTH)
    response = exchange(server.url, request(*refused) + SMUGGLED)
    assert (response.status, response.count, response.closed) == (401, 1, True), response
    with connection(server.url) as opened:
        opened.sendall(request(*CHAT, "Expect: 100-continue", LENGTH))
        assert opened.recv(2**16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        opened.sendall(BODY + request("GET", "/health", "Host: x", "Connection: close"))
        response = read_all(opened)
    assert (response.status, response.count) == (200, 2)


@pytest.mark.parametrize(
    "content",
    [
        request("GET", "/health", "Host: x", "X: " + "a" * 2_000_000),
        request("GET", "/health", "Host: x", *(f"X-{n}: a" for n in range(200_000))),
        request("GET", "/" + "a" * 2_000_000, "Host: x"),
        request(*CHAT, "Transfer-Encoding: chunked", body=b"1;" + b"a" * 2_000_000 + b"\r\n{\r\n"),
        request(*CHAT, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nX: " + b"a" * 2_000_000),
    ],
    ids=["value", "many", "target", "chunk-extension", "trailer"],
)
def test_endless_headers_are_refused(server: RunningServer, content: bytes) -> None:
    with connection(server.url) as opened:
        try:
            opened.sendall(content)
            response = read_all(opened)
        except OSError:  # the rest of what was sent met a closed connection
            return
    assert response.closed
    if response.content:
        assert check_error(response.status, response.body)["code"] in (
            "headers_too_large",
            "target_too_long",
            "invalid_http",
        )


def dribble(opened: socket.socket, piece: bytes) -> RawResponse:
    """Send the piece every tenth of a second until the server has had enough."""
    done = threading.Event()

    def feed() -> None:
        while not done.wait(0.1):
            try:
                opened.sendall(piece)
            except OSError:
                return

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        return read_all(opened)
    finally:
        done.set()
        feeder.join()


@pytest.mark.parametrize(
    ("begin", "piece", "status"),
    [
        (b"", b"", 408),
        (b"GET /health HTTP/1.1\r\nX: ", b"a", 408),
        (request(*CHAT, "Content-Length: 1000"), b" ", 408),
        (request(*CHAT, "Transfer-Encoding: chunked"), b"1\r\n \r\n", 408),
        # Answered at once, since this body is not read: further bytes must not hold the connection.
        (request("POST", "/v1/chat/completions", "Host: x", "Content-Length: 100000"), b" ", 401),
        (request("GET", "/health", "Host: x"), b"\r\n", 200),
        (request("GET", "/health", "Host: x") + b"GET /health", b" ", 200),
    ],
    ids=["nothing", "headers", "body", "chunks", "refused-body", "empty-lines", "second-request"],
)
def test_slow_senders_are_disconnected(hasty: RunningServer, begin: bytes, piece: bytes, status: int) -> None:
    with connection(hasty.url) as opened:
        opened.sendall(begin)
        response = dribble(opened, piece)
    assert response.closed
    assert response.status == status


@pytest.mark.slow
def test_connections_without_a_tls_handshake_are_closed(tiny_gguf: Path, tmp_path: Path) -> None:
    """With TLS the time begins before the first byte of HTTP; what is no TLS at all ends at once."""
    certificate, key = make_pair(tmp_path / "pair")
    variables = {"FOREFRONT_SERVER_HEADER_SECONDS": "1", "FOREFRONT_SERVER_TLS_CERTIFICATE": str(certificate)}
    variables["FOREFRONT_SERVER_TLS_KEY"] = str(key)
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server:
        for opening in (b"", b"\x16\x03\x01\x02", SMUGGLED):
            with connection(server.url) as opened:
                opened.sendall(opening)
                assert read_all(opened) == RawResponse(0, b"", closed=True)
        context = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=server.url, verify=context) as client:
            assert client.get("/health").status_code == 200
        assert server.stop() == 0


def test_the_server_works_after_all_attacks(server: RunningServer, hasty: RunningServer) -> None:
    for one in (server, hasty):
        with watched(one) as client:
            sent = client.post("/v1/chat/completions", content=BODY, headers={"content-type": "application/json"})
            assert sent.status_code == 200
