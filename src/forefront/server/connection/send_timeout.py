"""Disconnecting clients that do not read their response."""

import asyncio
import socket
import sys
from typing import Final

# Bytes: a client that reads this many within the timeout counts as connected.
_MIN_PROGRESS: Final = 48 * 2**10
_BYTES_ACKED: Final = 120  # the offset of `tcpi_bytes_acked` in Linux' `tcp_info`


class SendTimeout:
    """Aborts `transport` when, between `start` and `stop`, the client reads almost nothing for `seconds`."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._transport = transport
        self._loop = loop
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The transport's buffer is full."""
        self.stop()
        self._timer = self._loop.call_later(self._seconds, self._check, bytes_acknowledged(self._transport))

    def stop(self) -> None:
        """The transport's buffer has room, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, before: int) -> None:
        """End the connection unless the client has read some of a response that takes longer."""
        if bytes_acknowledged(self._transport) - before < _MIN_PROGRESS:
            self._transport.abort()
        else:
            self.start()


def bytes_acknowledged(transport: asyncio.Transport) -> int:
    """A counter of the bytes that the client has acknowledged. Only differences have a meaning.

    Linux counts them. Elsewhere the size of the transport's buffer has to do, which changes late: the system's own
    buffer may hold megabytes, and takes more when a third of them have been sent.
    """
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
        return int.from_bytes(info[_BYTES_ACKED : _BYTES_ACKED + 8], sys.byteorder)
    except (AttributeError, OSError):
        return -transport.get_write_buffer_size()
