"""Pieces that are written together arrive together, and a slow client is felt at once."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from forefront.server.connection.write_coalescing import CoalescingTransport


class _Speaker(asyncio.Protocol):
    """Says what it is told to when somebody connects."""

    def __init__(self, say: "Callable[[_Speaker], None]") -> None:
        self._say = say
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = CoalescingTransport(transport, asyncio.get_running_loop())
        self._say(self)

    def pause_writing(self) -> None:
        self.paused = True


async def _hear(say: Callable[[_Speaker], None], size: int = 2**16) -> list[bytes]:
    """What each read gets until the end."""
    server = await asyncio.get_running_loop().create_server(lambda: _Speaker(say), "127.0.0.1", 0)
    heard = []
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.setblocking(False)
        while piece := await asyncio.get_running_loop().sock_recv(client, size):
            heard.append(piece)
    server.close()
    return heard


async def test_headers_and_body_are_one_packet() -> None:
    def say(speaker: _Speaker) -> None:
        speaker.transport.write(b"head")
        speaker.transport.write(b"body")
        asyncio.get_running_loop().call_later(0.05, later, speaker)

    def later(speaker: _Speaker) -> None:
        speaker.transport.write(b"more")
        speaker.transport.close()

    assert await _hear(say) == [b"headbody", b"more"]


async def test_continuous_writes_wait_for_the_transport() -> None:
    waited_after = 0

    def say(speaker: _Speaker) -> None:
        nonlocal waited_after
        while not speaker.paused and waited_after < 1000:
            waited_after += 1
            speaker.transport.write(b"x" * 2**16)
        speaker.transport.close()

    heard = await _hear(say, 2**20)
    assert waited_after < 1000
    assert sum(map(len, heard)) == waited_after * 2**16


async def test_nothing_is_written_to_a_connection_that_has_gone() -> None:
    def say(speaker: _Speaker) -> None:
        speaker.transport.write(b"lost")
        speaker.transport.abort()

    with contextlib.suppress(ConnectionResetError):
        assert await _hear(say) == []
