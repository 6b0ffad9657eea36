"""Clients that read slowly, and those that do not read."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.connection.protocol import ProtocolOptions, bounded_protocol
from forefront.server.serve import bind

_BODY = 6 * 2**20
_SECONDS = 1.5  # in which something must be read


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _large(_scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"content-length", str(_BODY).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(_BODY)})


@contextlib.asynccontextmanager
async def _requesting(connection: str) -> AsyncIterator[tuple[socket.socket, _Server]]:
    """A client that has requested a large answer, with little room for it, and for the connection to be kept or not."""
    kind = bounded_protocol(ProtocolOptions(ConnectionLimits(10, 10), 5.0, _SECONDS))
    server = _Server(uvicorn.Config(_large, http=kind, ws="none", lifespan="off", log_level="error"))
    with socket.socket() as listening, socket.socket() as client:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        client.connect(listening.getsockname())
        client.sendall(f"GET / HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n\r\n".encode())
        try:
            yield client, server
        finally:
            client.close()
            server.should_exit = True
            await serving


def _read(client: socket.socket, seconds: float) -> int:
    """How many bytes come until the end of the answer, when reading them takes so long."""
    begin, got = time.monotonic(), 0
    while got < _BODY and (piece := client.recv(2**16)):
        got += len(piece)
        time.sleep(max(begin + seconds * got / _BODY - time.monotonic(), 0))
    return got


@pytest.mark.slow
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_a_large_answer_has_more_time_while_the_client_reads(connection: str) -> None:
    async with _requesting(connection) as (client, _):
        assert await asyncio.to_thread(_read, client, 2 * _SECONDS) >= _BODY


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_a_client_that_stops_reading_counts_as_disconnected(connection: str) -> None:
    async with _requesting(connection) as (client, server), asyncio.timeout(60):
        while not server.server_state.connections:
            await asyncio.sleep(0.01)
        while server.server_state.connections:
            await asyncio.sleep(0.05)
        assert await asyncio.to_thread(_read, client, 0) < _BODY


def test_the_system_keeps_little_for_a_client_that_does_not_read() -> None:
    """What it keeps belongs to no project."""
    with bind("127.0.0.1", 0) as listening, socket.socket() as client:
        listening.listen()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        client.connect(listening.getsockname())
        accepted, _ = listening.accept()
        with accepted:
            accepted.setblocking(False)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while sent < 2**24:
                    sent += accepted.send(bytes(2**14))
    assert sent < 2**19
