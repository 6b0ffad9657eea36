"""Closing a connection in stages, which preserves its last response (RFC 9112, 9.6).

Data that arrives at a closed socket resets the connection, and a reset destroys what the client has not read yet.
"""

import asyncio
from typing import Final

from forefront.server.connection.send_timeout import bytes_acknowledged
from forefront.server.connection.write_coalescing import CoalescingTransport

# Seconds without data in either direction.
_IDLE: Final = 1.0
# Bytes that are discarded: twice the largest body that is accepted.
_MAX_DISCARDED: Final = 2**24


class LingeringTransport(CoalescingTransport):
    """A transport whose `close` ends the sending side and leaves the other open until the client closes it, for a
    second without data, `seconds` in all, and 16 MiB. The protocol reports what arrives meanwhile to `discard`.

    Unsent data may make no progress for `send_seconds`. With TLS, asyncio itself reads until the client closes.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float, send_seconds: float
    ) -> None:
        super().__init__(transport, loop)
        self._seconds = seconds
        self._send_seconds = send_seconds
        self._discarded = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Send the buffered data, then end the connection in stages."""
        if self.is_closing():
            return
        if not self._transport.can_write_eof():
            super().close()
            return
        self._flush()
        self._closing = True
        try:
            self._transport.write_eof()
        except OSError:  # the client has reset the connection
            self._transport.abort()
            return
        self._transport.resume_reading()
        now = self._loop.time()
        self._check(self._progress(), now, now)

    def close_at_once(self) -> None:
        """Send the buffered data, then close. Data that arrives later resets the connection."""
        super().close()

    def discard(self, size: int) -> None:
        """Data of `size` bytes has arrived after `close`."""
        self._discarded += size
        if self._discarded > _MAX_DISCARDED:
            self._transport.abort()

    def lost(self) -> None:
        """The connection is lost."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self, before: tuple[int, int], since: float, began: float) -> None:
        """End the connection if it makes no progress for too long. `before` is the progress at the time `since`."""
        now, progress = self._loop.time(), self._progress()
        if progress != before:
            since = now
        if self._transport.get_write_buffer_size():
            if now - since >= self._send_seconds:
                self._transport.abort()
                return
        elif now - since >= _IDLE or now - began >= self._seconds:
            self._transport.close()
            return
        self._timer = self._loop.call_later(_IDLE, self._check, progress, since, began)

    def _progress(self) -> tuple[int, int]:
        return self._discarded, bytes_acknowledged(self._transport)
