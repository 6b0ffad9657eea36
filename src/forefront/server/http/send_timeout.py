"""Whether a client still reads its answer."""

import asyncio
import socket
import sys
from typing import Final

# Bytes: a client that takes so many in the time is reading.
_SOME: Final = 48 * 2**10
_ACKNOWLEDGED: Final = 120  # where Linux has `tcpi_bytes_acked` in its `tcp_info`


class SendWatch:
    """Aborts `transport` when, between `start` and `stop`, the client takes next to nothing for `seconds`."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._transport = transport
        self._loop = loop
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The transport's buffer is full."""
        self.stop()
        self._timer = self._loop.call_later(self._seconds, self._judge, bytes_taken(self._transport))

    def stop(self) -> None:
        """The transport's buffer has room, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _judge(self, before: int) -> None:
        """End the connection, unless the client has been reading an answer that is too large for the time."""
        if bytes_taken(self._transport) - before < _SOME:
            self._transport.abort()
        else:
            self.start()


def bytes_taken(transport: asyncio.Transport) -> int:
    """How much the client has taken so far, in bytes from any beginning.

    Linux knows what has been acknowledged. What waits in this process says less: the system's own buffer may hold
    megabytes more, and takes the next when a third of them have gone.
    """
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED + 8)
        return int.from_bytes(info[_ACKNOWLEDGED : _ACKNOWLEDGED + 8], sys.byteorder)
    except (AttributeError, OSError):
        return -transport.get_write_buffer_size()
