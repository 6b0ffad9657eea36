"""Accepting TLS connections, whose handshakes count towards the limits of connections.

asyncio's servers report a connection after its handshake, which has held a file descriptor until then.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from forefront.server.connection.connection_limits import ConnectionLimits

log = logging.getLogger(__name__)

# Connections accepted in one iteration of the event loop. The signature for each takes a millisecond of a processor.
_BURST: Final = 4
# Seconds until the next attempt when the process has no file descriptor left.
_PAUSE: Final = 0.1


class Handshake:
    """A connection during its handshake."""

    idle = True

    def __init__(self, accepted: socket.socket) -> None:
        self._accepted = accepted

    def evict(self) -> None:
        """End it at once."""
        with suppress(OSError):  # the peer has closed it
            self._accepted.shutdown(socket.SHUT_RDWR)


class HttpProtocol(Protocol):
    """The protocol after a handshake, which it replaces among the connections."""

    handshake: Handshake | None


class TlsListener:
    """Accepts connections on `bound`, a listening socket. `seconds` limits a handshake, and the end of TLS.

    It is closed like asyncio's servers.
    """

    def __init__(
        self,
        bound: socket.socket,
        context: ssl.SSLContext,
        seconds: float,
        limits: ConnectionLimits,
        make_protocol: Callable[[], HttpProtocol],
    ) -> None:
        self._bound = bound
        self._context = context
        self._seconds = seconds
        self._limits = limits
        self._make = make_protocol
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        bound.setblocking(False)
        self._watch()

    def close(self) -> None:
        """Accept no more connections, and cancel the running handshakes."""
        self._loop.remove_reader(self._bound)
        if self._retry is not None:
            self._retry.cancel()
        for handshake in self._handshakes:
            handshake.cancel()

    async def wait_closed(self) -> None:
        """Wait for the end of the handshakes."""
        if self._handshakes:
            await asyncio.wait(self._handshakes)

    def _watch(self) -> None:
        self._loop.add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        for _ in range(_BURST):
            try:
                accepted, peer = self._bound.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be accepted: %s", error.strerror)
                self._loop.remove_reader(self._bound)
                self._retry = self._loop.call_later(_PAUSE, self._watch)
                return
            accepted.setblocking(False)
            task = self._loop.create_task(self._shake(accepted, str(peer[0])))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake(self, accepted: socket.socket, address: str) -> None:
        handshake = Handshake(accepted)
        self._limits.open(handshake, address)

        def make() -> asyncio.Protocol:
            protocol = self._make()
            protocol.handshake = handshake
            assert isinstance(protocol, asyncio.Protocol)
            return protocol

        try:
            await self._loop.connect_accepted_socket(
                make,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._seconds,
                ssl_shutdown_timeout=self._seconds,
            )
        except (OSError, TimeoutError):  # no TLS, or none in time
            accepted.close()
        finally:
            self._limits.close(handshake)
