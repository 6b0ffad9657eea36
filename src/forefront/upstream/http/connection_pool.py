"""Connections to upstreams, kept open between requests for a limited time."""

import asyncio
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from forefront.upstream.http.http_connection import HttpConnection

# uvicorn closes idle connections after 5 seconds: a request on one that is about to be closed would fail.
_IDLE_SECONDS: Final = 4.0
# After this time requests get new connections, so that DNS changes take effect.
_MAX_AGE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Origin:
    """A server. `authority` is the value of the header `host`."""

    host: str
    port: int
    tls: bool
    authority: str

    @classmethod
    def of(cls, url: str) -> "Origin":
        """The server of a URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, parts.netloc.rpartition("@")[2])


class ConnectionPool:
    """Open connections by server. Connecting may take `connect_seconds`; names are resolved for each connection."""

    def __init__(
        self, connect_seconds: float, idle_seconds: float = _IDLE_SECONDS, max_age_seconds: float = _MAX_AGE_SECONDS
    ) -> None:
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._max_age_seconds = max_age_seconds
        self._idle: dict[Origin, list[HttpConnection]] = {}
        self._used: set[HttpConnection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> HttpConnection | None:
        """An open connection, the last one that was used; None if there is none."""
        now, idle = asyncio.get_running_loop().time(), self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if self._fresh(connection, now):
                self._used.add(connection)
                return connection
            connection.close()
        return None

    async def connect(self, origin: Origin) -> HttpConnection:
        """A new connection. Raises `OSError`, which `TimeoutError` and `ssl.SSLError` are too."""
        loop = asyncio.get_running_loop()
        context = self._tls if origin.tls else None
        async with asyncio.timeout(self._connect_seconds):
            _, connection = await loop.create_connection(HttpConnection, origin.host, origin.port, ssl=context)
        self._used.add(connection)
        return connection

    def give_back(self, origin: Origin, connection: HttpConnection) -> None:
        """Keep a connection whose response is complete, close any other."""
        self._used.discard(connection)
        if not connection.reusable:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._idle_seconds, self._close_old)

    def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in (*self._used, *(one for idle in self._idle.values() for one in idle)):
            connection.close()
        self._idle.clear()
        self._used.clear()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _fresh(self, connection: HttpConnection, now: float) -> bool:
        young = now - connection.opened_at < self._max_age_seconds
        return connection.reusable and young and now - connection.idle_since < self._idle_seconds

    def _close_old(self) -> None:
        self._sweep = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for origin, idle in list(self._idle.items()):
            fresh = [connection for connection in idle if self._fresh(connection, now)]
            for connection in set(idle) - set(fresh):
                connection.close()
            self._idle[origin] = fresh
            if not fresh:
                del self._idle[origin]
        if self._idle:
            self._sweep = loop.call_later(self._idle_seconds, self._close_old)
