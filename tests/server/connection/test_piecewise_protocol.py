"""Bodies of very many chunks, and long targets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

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


async def _refusal(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that reads no body."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _slow(_scope: Scope, receive: Receive, send: Send) -> None:
    """An application that takes a part of the body every few milliseconds."""
    while (await receive()).get("more_body", False):
        await asyncio.sleep(0.002)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class _Measured(bounded_protocol(ProtocolOptions(ConnectionLimits(10, 10), 30.0))):  # type: ignore[misc]
    """Notes the most bytes that waited for their turn."""

    waiting = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        _Measured.waiting = max(_Measured.waiting, len(self._unread))


@contextlib.asynccontextmanager
async def _serving(application: ASGIApp = _sizes, kind: type[asyncio.Protocol] | None = None) -> AsyncIterator[int]:
    """The port of a server with that application."""
    kind = kind or bounded_protocol(ProtocolOptions(ConnectionLimits(10, 10), 30.0))
    server = _Server(uvicorn.Config(application, port=0, http=kind, ws="none", lifespan="off", log_level="error"))
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


async def test_a_connection_continues_after_an_unread_body() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    body = b"64\r\n%b\r\n" % (b"x" * 100) * 10_000 + b"0\r\n\r\n"
    async with _serving(_refusal) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body)
        await writer.drain()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401")
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 401")
        writer.close()


def test_data_that_waits_for_its_turn_is_bounded() -> None:
    """On the server's event loop, where each part that the application takes would let in another read of 256 KiB."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"

    async def send() -> bytes:
        async with _serving(_slow, _Measured) as port:
            return await answered(port, head + chunked(b"x" * 1_000_000))

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(uvloop.run, send()).result().startswith(b"HTTP/1.1 204")
    assert 0 < _Measured.waiting < 2 * 2**18


async def test_a_chat_request_in_chunks_of_one_byte(server: RunningServer) -> None:
    fields = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    body = json.dumps(fields | {"metadata": {"a": "b" * 60_000}}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.key}\r\nconnection: close\r\n"
    )
    head += "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    received = await answered(int(server.url.rpartition(":")[2]), head.encode() + chunked(body))
    assert received.startswith(b"HTTP/1.1 200")


def test_a_long_request_target_is_refused(server: RunningServer) -> None:
    with server.client() as client:
        for target in ("/v1/models/" + "%41" * 20_000, "/admin/usage?" + "a&" * 10_000, "/" + "a" * _MAX_TARGET):
            response = client.get(target)
            assert (response.status_code, response.json()["error"]["code"]) == (414, "target_too_long")
        assert client.get("/v1/models?" + "a" * (_MAX_TARGET - 11)).status_code == 200
