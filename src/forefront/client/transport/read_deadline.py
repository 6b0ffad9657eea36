"""A deadline for blocking reads."""

import socket
import threading
from contextlib import suppress

import httpx


class ReadDeadline:
    """Shuts down the socket of a response at a set time, or at once: nothing else ends a blocking read.

    Has no effect on connections that other responses share (HTTP/2) and on transports without a socket.
    """

    def __init__(self, response: httpx.Response) -> None:
        stream = response.extensions.get("network_stream")
        shared = response.extensions.get("http_version") == b"HTTP/2"
        self._socket = None if stream is None or shared else stream.get_extra_info("socket")
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def set(self, seconds: float) -> None:
        """Shut the socket down in `seconds`; an earlier deadline no longer holds."""
        self.cancel()
        if self._socket is not None:
            self._timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._expire)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Remove the deadline. After the return, the socket is not shut down any more."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def expire_now(self) -> None:
        """Shut the socket down."""
        with self._lock:
            self._shut_down()

    def _expire(self) -> None:
        with self._lock:
            if self._timer is threading.current_thread():
                self._shut_down()

    def _shut_down(self) -> None:
        with suppress(OSError):
            if self._socket is not None:
                # The plain method: a TLS socket's own is not safe while another thread reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
