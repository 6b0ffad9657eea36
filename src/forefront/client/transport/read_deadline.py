"""Ending a read that blocks, from another thread."""

import socket
import threading
from contextlib import suppress

import httpx


class Fuse:
    """Breaks the connection of a response at a set time, because a blocking read cannot be ended otherwise.

    Does nothing for connections that others share (HTTP/2) and for transports without a socket.
    """

    def __init__(self, response: httpx.Response) -> None:
        stream = response.extensions.get("network_stream")
        shared = response.extensions.get("http_version") == b"HTTP/2"
        self._socket = None if stream is None or shared else stream.get_extra_info("socket")
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def set(self, seconds: float) -> None:
        """Break it in so many seconds, and not when it was to be broken before."""
        self.cancel()
        if self._socket is not None:
            self._timer = threading.Timer(seconds, self._break)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Leave the connection whole. Once this has returned, it is not broken any more."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _break(self) -> None:
        with self._lock, suppress(OSError):
            if self._timer is threading.current_thread() and self._socket is not None:
                # The plain method, because that of a TLS socket is not made for another thread's reading.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
