"""Connections to upstreams, kept open between requests, but not for ever."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp

# uvicorn closes idle connections after 5 seconds: a request on one that is about to be closed would fail.
_IDLE_SECONDS: Final = 4.0
# After this time new requests get new connections, so that a name that moves to another address is followed.
MAX_AGE_SECONDS: Final = 60.0
_DNS_SECONDS: Final = 10


class ConnectionPool:
    """The current session, and older ones whose requests still run. Connecting may take `connect_seconds`."""

    def __init__(self, connect_seconds: float, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self._connect_seconds = connect_seconds
        self._max_age_seconds = max_age_seconds
        self._current: aiohttp.ClientSession | None = None
        self._renew_at = 0.0
        self._running: dict[aiohttp.ClientSession, int] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @contextmanager
    def session(self) -> Iterator[aiohttp.ClientSession]:
        """The session for one request, up to the end of its response."""
        session = self._open()
        self._running[session] += 1
        try:
            yield session
        finally:
            self._running[session] -= 1
            if session is not self._current:
                self._close_unused(session)

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._running, self._current = list(self._running), {}, None
        for session in sessions:
            await session.close()
        await asyncio.gather(*self._closing)

    def _open(self) -> aiohttp.ClientSession:
        now = asyncio.get_running_loop().time()
        if self._current is None or now >= self._renew_at:
            old, self._current, self._renew_at = self._current, self._new(), now + self._max_age_seconds
            self._running[self._current] = 0
            if old is not None:
                self._close_unused(old)
        return self._current

    def _new(self) -> aiohttp.ClientSession:
        # The gateway bounds the requests that run, so the pool need not.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, ttl_dns_cache=_DNS_SECONDS)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds)
        return aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    def _close_unused(self, session: aiohttp.ClientSession) -> None:
        """Close an older session that has no requests."""
        if self._running.get(session) == 0:
            del self._running[session]
            task = asyncio.get_running_loop().create_task(session.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
