"""A request that offers another protocol is an ordinary request with its own body, wherever the bytes are cut."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.connection.protocol import ProtocolOptions, bounded_protocol
from tests.security.framing_corpus import CHUNKED, INNER, NEXT, upgrades
from tests.security.raw import RawResponse, connection, exchange, read_all, request
from tests.support.programs.debian import installed
from tests.support.server import KEY, RunningServer

OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
LENGTH = f"Content-Length: {len(INNER)}"
BODY = b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}'
CHAT = ("POST", "/v1/chat/completions", "Host: x", "Content-Type: application/json", f"Authorization: Bearer {KEY}")
Seen = list[tuple[str, str, bytes]]


class Recorder:
    """An application that records its requests."""

    def __init__(self) -> None:
        self.seen: Seen = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.seen.append((scope["method"], scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


async def read_pieces(pieces: list[bytes]) -> tuple[Seen, bytes]:
    """What an application sees of bytes that arrive in these pieces, and what the client gets."""
    loop, recorder = asyncio.get_running_loop(), Recorder()
    kind = bounded_protocol(ProtocolOptions(ConnectionLimits(10, 10), 5.0))
    config = uvicorn.Config(recorder, http=kind, ws="none", lifespan="off", log_level="error")
    client, accepted = socket.socketpair()
    accepted.setblocking(False)
    client.setblocking(False)
    with client:
        _, protocol = await loop.connect_accepted_socket(lambda: kind(config, ServerState(), {}), accepted)
        for piece in pieces:
            protocol.data_received(piece)
        answers = b""
        async with asyncio.timeout(5):
            while piece := await loop.sock_recv(client, 2**16):
                answers += piece
    return recorder.seen, answers


async def read_slowly(pieces: list[bytes]) -> tuple[Seen, int]:
    """What an application sees of pieces that come one after another, and how many of their bytes are kept."""
    loop, recorder = asyncio.get_running_loop(), Recorder()
    kind: Any = bounded_protocol(ProtocolOptions(ConnectionLimits(10, 10), 5.0))
    config = uvicorn.Config(recorder, http=kind, ws="none", lifespan="off", log_level="error")
    client, accepted = socket.socketpair()
    accepted.setblocking(False)
    with client:
        made = await loop.connect_accepted_socket(lambda: kind(config, ServerState(), {}), accepted)
        protocol: Any = made[1]
        for piece in pieces:
            protocol.data_received(piece)
            while protocol.cycle is not None and not protocol.idle:
                await asyncio.sleep(0)
        return recorder.seen, sum(map(len, protocol._head_segments))


STREAMS = {
    "length": request("POST", "/a", "Host: x", *OFFER, LENGTH, body=INNER) + NEXT,
    "chunked": request("POST", "/a", "Host: x", *OFFER, "Transfer-Encoding: chunked", body=CHUNKED) + NEXT,
    "several": request("POST", "/a", "Host: x", LENGTH, *OFFER, body=INNER)
    + request("GET", "/b", "Host: x", *OFFER)
    + request("POST", "/c", "Host: x", "Upgrade: websocket", "Connection: upgrade", LENGTH, body=INNER)
    + NEXT,
}
EXPECTED: dict[str, Seen] = {
    "length": [("POST", "/a", INNER), ("GET", "/health", b"")],
    "chunked": [("POST", "/a", INNER), ("GET", "/health", b"")],
    "several": [("POST", "/a", INNER), ("GET", "/b", b""), ("POST", "/c", INNER), ("GET", "/health", b"")],
}


@pytest.mark.parametrize("name", STREAMS)
async def test_a_body_split_at_any_byte_is_complete(name: str) -> None:
    content = STREAMS[name]
    for cut in range(1, len(content)):
        seen, answers = await read_pieces([content[:cut], content[cut:]])
        assert seen == EXPECTED[name], cut
        assert answers.count(b"HTTP/1.1 200 OK") == len(seen)
    seen, _ = await read_pieces([content[at : at + 1] for at in range(len(content))])
    assert seen == EXPECTED[name]


async def test_every_variant_of_an_upgrade_offer_leaves_the_body_alone() -> None:
    for lines in upgrades():
        for framing, body in ((LENGTH, INNER), ("Transfer-Encoding: chunked", CHUNKED)):
            for headers in ((*lines, framing), (framing, *lines)):
                content = request("POST", "/a", "Host: x", *headers, body=body) + NEXT
                for pieces in ([content], [content[at : at + 7] for at in range(0, len(content), 7)]):
                    assert (await read_pieces(pieces))[0] == EXPECTED["length"], headers


@pytest.mark.parametrize("target", ["x:80", "/v1/models"])
async def test_connect_is_refused_at_any_byte_split(target: str) -> None:
    content = request("CONNECT", target, "Host: x", *OFFER, LENGTH, body=INNER) + NEXT
    for cut in range(1, len(content)):
        seen, answers = await read_pieces([content[:cut], content[cut:]])
        assert seen == []
        assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 400 ") == 1, cut


async def test_heads_that_overlap_pieces_leave_nothing_behind() -> None:
    """A piece may hold the end of one head and the beginning of the next, for as long as the client likes."""
    one = request("GET", "/b", "Host: x", *OFFER)
    content = one * 500
    pieces = [content[at : at + len(one)] for at in range(10, len(content) - len(one), len(one))]
    seen, kept = await read_slowly([content[:10], *pieces])
    assert len(seen) == len(pieces)
    assert kept <= 2 * len(one)


def check_chat(response: RawResponse) -> None:
    """A completion, and `/health` after it."""
    assert (response.status, response.count, response.closed) == (200, 2, True), response
    assert b'"object":"chat.completion"' in response.content
    assert response.content.endswith(b'{"status":"ok"}')


def test_a_chat_request_that_offers_an_upgrade_is_answered(server: RunningServer) -> None:
    content = request(*CHAT, *OFFER, f"Content-Length: {len(BODY)}", body=BODY) + NEXT
    check_chat(exchange(server.url, content))
    with connection(server.url) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(content)):
            opened.sendall(content[at : at + 1])
        check_chat(read_all(opened))


def test_an_upgrade_over_tls_is_the_same(tls: tuple[RunningServer, Path]) -> None:
    server, certificate = tls
    content = request(*CHAT, *OFFER, f"Content-Length: {len(BODY)}", body=BODY) + NEXT
    context = ssl.create_default_context(cafile=str(certificate))
    for size in (1, 50, len(content)):
        with connection(server.url) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
            for at in range(0, len(content), size):
                opened.sendall(content[at : at + size])
            check_chat(read_all(opened))


def test_curl_that_offers_http2_gets_its_answer(server: RunningServer) -> None:
    curl = installed(lambda: shutil.which("curl"), "curl", "curl's offer of HTTP/2 is not tested without it")
    headers = ["-H", "content-type: application/json", "-H", f"authorization: Bearer {KEY}"]
    command = [curl, "--silent", "--fail-with-body", "--http2", *headers, "--data", BODY.decode()]
    done = subprocess.run([*command, f"{server.url}/v1/chat/completions"], capture_output=True, check=True)
    assert json.loads(done.stdout)["object"] == "chat.completion"


JAVA = """
import java.net.URI;
import java.net.http.*;
public class Post {
    public static void main(String[] given) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(given[0])).header("content-type", "application/json")
            .header("authorization", "Bearer " + given[1]).POST(HttpRequest.BodyPublishers.ofString(given[2])).build();
        var client = HttpClient.newHttpClient();
        for (int i = 0; i < 2; i++) {
            var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""


def test_javas_client_gets_its_answers(server: RunningServer, tmp_path: Path) -> None:
    java = installed(lambda: shutil.which("java"), "openjdk-17-jdk-headless", "Java's client is not tested without it")
    program = tmp_path / "Post.java"
    program.write_text(JAVA)
    url = f"{server.url}/v1/chat/completions"
    command = [java, "-Xmx64m", "-XX:TieredStopAtLevel=1", str(program), url, KEY, BODY.decode()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line[:4] for line in done.stdout.splitlines()] == ["200 ", "200 "]
