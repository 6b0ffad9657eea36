"""Received data in pieces: requests of very many chunks give other connections their turns."""

import asyncio
from abc import abstractmethod
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes that are parsed at a time. The parser takes 2 ms for as many in chunks of one byte each.
PIECE: Final = 2**13
# Chunks after which other connections get a turn. A read of 256 KiB holds 43,000 of one byte.
_CHUNKS: Final = 1000


class ReadingControl(FlowControl):
    """Reading is paused while a request's body is long enough, and while received data waits for its turn."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._waiting = False

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            if not self._waiting:
                self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            if not self._waiting:
                self._transport.resume_reading()

    def wait_for_turn(self, waiting: bool) -> None:
        """Whether received data waits for its turn."""
        if waiting == self._waiting:
            return
        self._waiting = waiting
        if self.read_paused or self._transport.is_closing():
            return
        if waiting:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class PiecewiseProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which joins the parts of a body that arrive together: uvicorn copies the body for each."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unread = bytearray()
        self._turn_due = False  # whether `_read_pieces` is scheduled
        self._chunks = 0  # since the last turn
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: ReadingControl = ReadingControl(transport)

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Parse the data."""

    def data_received(self, data: bytes) -> None:
        if not self._unread and len(data) <= PIECE:
            self.receive(data)
            self._deliver()
            return
        self._unread += data
        if not self._turn_due:
            self._read_pieces()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unread.clear()
        self._turn_due = False
        super().connection_lost(exc)

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self._deliver()
        super().on_message_complete()

    def _read_pieces(self) -> None:
        self._chunks = 0
        while self._unread and self._chunks < _CHUNKS:
            piece = bytes(self._unread[:PIECE])
            del self._unread[:PIECE]
            self.receive(piece)
        self._deliver()
        self._turn_due = bool(self._unread)
        self.flow.wait_for_turn(self._turn_due)
        if self._turn_due:
            self.loop.call_soon(self._read_pieces)

    def _deliver(self) -> None:
        """Hand the parts of the body to the request."""
        if self._parts:
            parts, self._parts = self._parts, []
            super().on_body(b"".join(parts))
