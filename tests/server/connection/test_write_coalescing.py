"""Writes of one event-loop iteration are one packet, and back-pressure reaches the protocol."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from forefront.server.connection.write_coalescing import CoalescingTransport


class _Protocol(asyncio.Protocol):
    """Calls `respond` once a client connects."""

    def __init__(self, respond: "Callable[[_Protocol], None]") -> None:
        self._respond = respond
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = CoalescingTransport(transport, asyncio.get_running_loop())
        self._respond(self)

    def pause_writing(self) -> None:
        self.paused = True


async def _receive(respond: Callable[[_Protocol], None], size: int = 2**16) -> list[bytes]:
    """The result of each read of a client, until the server closes the connection."""
    server = await asyncio.get_running_loop().create_server(lambda: _Protocol(respond), "127.0.0.1", 0)
    received = []
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.setblocking(False)
        while piece := await asyncio.get_running_loop().sock_recv(client, size):
            received.append(piece)
    server.close()
    return received


async def test_headers_and_body_are_one_packet() -> None:
    def respond(protocol: _Protocol) -> None:
        protocol.transport.write(b"head")
        protocol.transport.write(b"body")
        asyncio.get_running_loop().call_later(0.05, later, protocol)

    def later(protocol: _Protocol) -> None:
        protocol.transport.write(b"more")
        protocol.transport.close()

    assert await _receive(respond) == [b"headbody", b"more"]


async def test_continuous_writes_wait_for_the_transport() -> None:
    waited_after = 0

    def respond(protocol: _Protocol) -> None:
        nonlocal waited_after
        while not protocol.paused and waited_after < 1000:
            waited_after += 1
            protocol.transport.write(b"x" * 2**16)
        protocol.transport.close()

    received = await _receive(respond, 2**20)
    assert waited_after < 1000
    assert sum(map(len, received)) == waited_after * 2**16


async def test_nothing_is_written_to_a_closed_connection() -> None:
    def respond(protocol: _Protocol) -> None:
        protocol.transport.write(b"lost")
        protocol.transport.abort()

    with contextlib.suppress(ConnectionResetError):
        assert await _receive(respond) == []
