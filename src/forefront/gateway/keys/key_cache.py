"""The in-memory cache of API keys of a running server."""

import asyncio
import hmac
import time
from collections.abc import Callable

import sqlalchemy as sa

from forefront.gateway.keys.api_key import hash_key
from forefront.gateway.keys.key_store import is_active, key_from_row, read_project
from forefront.gateway.keys.principal import Principal
from forefront.gateway.store.database import Database, StoreError
from forefront.gateway.store.store_threads import StoreThreads
from forefront.gateway.store.tables import api_keys, projects, store_revision
from forefront.wire.errors import RequestError

# Seconds after which the cache is checked against the store: a revoked key is refused within a second.
_MAX_AGE = 0.4
# Seconds after which a lookup begins the next read without waiting for it. Half of `_MAX_AGE`, so that steady lookups
# never wait.
_READ_AHEAD_AGE = 0.2
# Minimum seconds between the starts of two reads: requests with unknown keys cannot keep the store busy.
_MIN_INTERVAL = 0.05
# Seconds to wait for a store that does not respond.
_STORE_TIMEOUT = 5.0


class KeyCache:
    """All active keys by hash. Every lookup sees the store as it was at most half a second ago.

    Lookups of unknown and of nearly correct keys take the same time. `clock` counts seconds.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._threads = StoreThreads()
        self._clock = clock
        self._principals: dict[str, tuple[str, Principal]] = {}  # by hash, with the hash
        self._by_id: dict[str, Principal] = {}
        self._revision = -1
        self._checked_at = float("-inf")
        self._read_task: asyncio.Task[None] | None = None

    async def find(self, text: str) -> Principal | None:
        """The principal of the key `text`, or None. Raises `RequestError` 503 when the store cannot be read."""
        digest = hash_key(text)
        await self._refresh(_MAX_AGE)
        if digest not in self._principals:
            await self._refresh(0)  # the key may have been created since
        known, principal = self._principals.get(digest, ("", None))
        return principal if principal and hmac.compare_digest(known, digest) and is_active(principal.key) else None

    async def refresh(self) -> None:
        """Read the store again if the cache is older than half a second. Raises `RequestError` 503."""
        await self._refresh(_MAX_AGE)

    def has(self, key_id: str) -> bool:
        """Whether the key of that id is active, as of the last read."""
        principal = self._by_id.get(key_id)
        return principal is not None and is_active(principal.key)

    async def _refresh(self, max_age: float) -> None:
        called_at = self._clock()
        if max_age >= called_at - self._checked_at > _READ_AHEAD_AGE:
            self._start_read()
        while called_at - self._checked_at > max_age:
            await self._join_read()

    def _start_read(self) -> asyncio.Task[None]:
        """The read that is under way, or a new one."""
        if self._read_task is None or self._read_task.done():
            self._read_task = asyncio.create_task(self._check_store())
            self._read_task.add_done_callback(_take_error)
        return self._read_task

    async def _join_read(self) -> None:
        """Wait for the read that is under way, or start one."""
        try:
            async with asyncio.timeout(_STORE_TIMEOUT):
                await asyncio.shield(self._start_read())
        except (StoreError, TimeoutError):
            raise RequestError(
                "store_unavailable", "The server cannot read its keys at the moment; try again."
            ) from None

    async def _check_store(self) -> None:
        await asyncio.sleep(min(self._checked_at + _MIN_INTERVAL - self._clock(), _MIN_INTERVAL))
        started_at = self._clock()
        found = await self._threads.run(lambda: self._read(self._revision))
        if found is not None:
            self._revision, self._principals = found
            self._by_id = {principal.key.id: principal for _, principal in self._principals.values()}
        self._checked_at = started_at

    def _read(self, revision: int) -> tuple[int, dict[str, tuple[str, Principal]]] | None:
        """The store's revision and active keys, or None if it is still at `revision`."""
        with self._database.read() as connection:
            current: int = connection.execute(sa.select(store_revision.c.revision)).scalar_one()
            if current == revision:
                return None
            # Keys before projects: the later statement also sees projects that were created in between.
            rows = connection.execute(sa.select(api_keys).where(api_keys.c.revoked_at.is_(None))).mappings().all()
            by_name = {row["name"]: read_project(row) for row in connection.execute(sa.select(projects)).mappings()}
            return current, {
                row["hash"]: (row["hash"], Principal(key_from_row(row), by_name[row["project"]], current))
                for row in rows
            }


def _take_error(read: asyncio.Task[None]) -> None:
    """Retrieve the error of a read without waiting lookups. The next lookup that needs a read reports its own error."""
    if not read.cancelled():
        read.exception()
