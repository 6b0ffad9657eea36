"""Messages over a byte stream: a length of four bytes, highest first, then the message."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

# A prompt of 4 million tokens takes 16 MiB.
_LARGEST: Final = 64 * 2**20
# Before a connection is authenticated.
_MAX_AT_FIRST: Final = 1024
_HEADER: Final = 4
# The bound of unsent bytes. A peer with more unread bytes is considered not to read.
_MAX_UNSENT: Final = 64 * 2**20


class FrameProtocol(asyncio.Protocol):
    """One connection. `received` is called with each message, `lost` once with the reason at the end.

    A malformed or oversized message, and a peer that does not read, end the connection.
    """

    def __init__(self, kind: Any, received: Callable[[Any], None], lost: Callable[[str], None]) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._encoder = msgspec.msgpack.Encoder()
        self._received, self._lost = received, lost
        self._buffer = bytearray()
        self._largest = _MAX_AT_FIRST
        self._transport: asyncio.Transport | None = None
        self._closed = False

    def allow_large(self) -> None:
        """The peer is authenticated."""
        self._largest = _LARGEST

    def send(self, message: Any) -> None:
        """Send a message. Does nothing on a closed connection."""
        if self._transport is None or self._closed:
            return
        frame = bytearray(_HEADER)
        self._encoder.encode_into(message, frame, _HEADER)
        frame[:_HEADER] = (len(frame) - _HEADER).to_bytes(_HEADER, "big")
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > _MAX_UNSENT:
            self.abort("it does not read")

    def abort(self, reason: str) -> None:
        """Close at once."""
        if not self._closed:
            self._closed = True
            if self._transport is not None:
                self._transport.abort()
            self._lost(reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if not self._closed:
            self._closed = True
            self._lost("the connection was closed" if exc is None else f"the connection was lost: {exc}")

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEADER and not self._closed:
            size = int.from_bytes(buffer[start : start + _HEADER], "big")
            if size > self._largest:
                self.abort("a message is too large")
                return
            end = start + _HEADER + size
            if len(buffer) < end:
                break
            try:
                message = self._decoder.decode(bytes(buffer[start + _HEADER : end]))
            except msgspec.DecodeError:
                self.abort("a message is malformed")
                return
            start = end
            self._received(message)
        if start:
            del buffer[:start]
