"""Bodies of very many chunks, and long targets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import Receive, Scope, Send

from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.connection.protocol import ProtocolOptions, bounded_protocol
from tests.support.server import RunningServer

_COUNT = 200_000
_MAX_TARGET = 2**13


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _sizes(_scope: Scope, receive: Receive, send: Send) -> None:
    """An application that responds with the sizes of the parts in which a body came."""
    sizes, more = [], True
    while more:
        message = await receive()
        sizes.append(len(message.get("body", b"")))
        more = message.get("more_body", False)
    text = json.dumps(sizes).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})


@contextlib.asynccontextmanager
async def _serving() -> AsyncIterator[int]:
    """The port of a server with that application."""
    kind = bounded_protocol(ProtocolOptions(ConnectionLimits(10, 10), 30.0))
    server = _Server(uvicorn.Config(_sizes, port=0, http=kind, ws="none", lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def chunked(body: bytes) -> bytes:
    """A body in chunks of one byte."""
    return b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


async def answered(port: int, request: bytes) -> bytes:
    """What answers the request, until the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.write(request)
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


async def test_very_many_chunks_are_read_in_turns() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    async with _serving() as port:
        received = await answered(port, head + chunked(b"x" * _COUNT))
    sizes = json.loads(b"[" + received.partition(b"[")[2].partition(b"]")[0] + b"]")
    assert sum(sizes) == _COUNT
    assert max(sizes) < 5000


async def test_pipelined_requests_of_many_chunks_stay_apart() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    last = head.replace(b"host: x", b"host: x\r\nconnection: close")
    async with _serving() as port:
        received = await answered(port, head + chunked(b"y" * 9000) + last + chunked(b"z" * 7000))
    first, second = (json.loads(b"[" + part.partition(b"]")[0] + b"]") for part in received.split(b"[")[1:])
    assert (sum(first), sum(second)) == (9000, 7000)


async def test_many_chunks_before_a_broken_one_or_the_end_of_the_connection() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    last = head.replace(b"host: x", b"host: x\r\nconnection: close")
    async with _serving() as port:
        broken = chunked(b"y" * _COUNT).removesuffix(b"0\r\n\r\n") + b"zz\r\n"
        assert (await answered(port, head + broken)).startswith(b"HTTP/1.1 400")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + chunked(b"y" * _COUNT))
        writer.transport.abort()
        assert b"[1]" in await answered(port, last + chunked(b"z"))


async def test_a_chat_request_in_chunks_of_one_byte(server: RunningServer) -> None:
    fields = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    body = json.dumps(fields | {"metadata": {"a": "b" * 60_000}}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.key}\r\nconnection: close\r\n"
    )
    head += "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    received = await answered(int(server.url.rpartition(":")[2]), head.encode() + chunked(body))
    assert received.startswith(b"HTTP/1.1 200")


def test_a_long_target_is_refused(server: RunningServer) -> None:
    with server.client() as client:
        for target in ("/v1/models/" + "%41" * 20_000, "/admin/usage?" + "a&" * 10_000, "/" + "a" * _MAX_TARGET):
            response = client.get(target)
            assert (response.status_code, response.json()["error"]["code"]) == (431, "headers_too_large")
        assert client.get("/v1/models?" + "a" * (_MAX_TARGET - 11)).status_code == 200
