"""A connection's transport that sends together what is written in one turn of the event loop.

uvicorn writes headers and body apart: two system calls and two packets, and a client that wakes up twice.
"""

import asyncio
from typing import Any, Final

# Bytes that are not kept back for more: whoever writes without pause must feel that the client is slow.
_MOST: Final = 2**16


class Gathered:
    """Around `transport`: everything but `write`, `is_closing` and `close` is its own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send it, at the end of this turn at the latest."""
        if not self._kept:
            self._loop.call_soon(self._flush)
        self._kept.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self._flush()

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what is kept, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._kept:
            kept, self._kept, self._size = self._kept, [], 0
            if not self.is_closing():
                self._transport.write(kept[0] if len(kept) == 1 else b"".join(kept))
