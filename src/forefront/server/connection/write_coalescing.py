"""A transport that sends all writes of one event-loop iteration together.

uvicorn writes headers and body apart: two system calls, two packets, and a client that wakes up twice.
"""

import asyncio
from typing import Any, Final

# Bytes after which the buffer is sent at once: a fast writer must feel the back-pressure of a slow client.
_MAX_BUFFERED: Final = 2**16


class CoalescingTransport:
    """Wraps `transport`, which has everything but `write`, `is_closing` and `close`."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._buffer: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the data at the end of this iteration at the latest."""
        if not self._buffer:
            self._loop.call_soon(self._flush)
        self._buffer.append(data)
        self._size += len(data)
        if self._size > _MAX_BUFFERED:
            self._flush()

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send the buffered data, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._buffer:
            buffer, self._buffer, self._size = self._buffer, [], 0
            if not self.is_closing():
                self._transport.write(buffer[0] if len(buffer) == 1 else b"".join(buffer))
