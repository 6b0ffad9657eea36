"""The keys that open the door, as a running server holds them."""

import asyncio
import hmac
import time
from collections.abc import Callable

import sqlalchemy as sa

from forefront.gateway.keys.api_key import hash_key
from forefront.gateway.keys.key_store import lives, read_key, read_project
from forefront.gateway.keys.principal import Principal
from forefront.gateway.store.database import Database, StoreError
from forefront.gateway.store.run_in_thread import aside
from forefront.gateway.store.tables import keys, projects, state
from forefront.wire.errors import ApiError

# What is older than this is asked for again before it is believed: a key that was revoked is refused within a second.
_MAX_AGE = 0.4
# Seconds between the beginnings of two readings: unknown keys, which anybody can send, do not keep the store busy.
_GAP = 0.05
# Seconds to wait for a store that does not answer.
_PATIENCE = 5.0


class KeyRing:
    """A copy of every key by its hash, never older than half a second when it answers.

    Looking a key up takes the same time whether it is nearly right or not at all. `clock` counts seconds.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._principals: dict[str, tuple[str, Principal]] = {}  # by hash, with the hash
        self._revision = -1
        self._checked = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def find(self, text: str) -> Principal | None:
        """The holder of the key `text`, or None. Raises `ApiError` 503 when nobody can say."""
        digest = hash_key(text)
        await self._refresh(_MAX_AGE)
        if digest not in self._principals:
            await self._refresh(0)  # it may have been made in this very moment
        known, principal = self._principals.get(digest, ("", None))
        return principal if principal and hmac.compare_digest(known, digest) and lives(principal.key) else None

    async def _refresh(self, age: float) -> None:
        asked = self._clock()
        while asked - self._checked > age:
            await self._read_once()

    async def _read_once(self) -> None:
        # Whoever comes while the store is being read waits for that reading.
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_again())
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.shield(self._reading)
        except (StoreError, TimeoutError):
            raise ApiError("store_unavailable", "The server cannot read its keys at the moment; try again.") from None

    async def _read_again(self) -> None:
        await asyncio.sleep(min(self._checked + _GAP - self._clock(), _GAP))
        asked = self._clock()
        found = await aside(lambda: self._read(self._revision))
        if found is not None:
            self._revision, self._principals = found
        self._checked = asked

    def _read(self, revision: int) -> tuple[int, dict[str, tuple[str, Principal]]] | None:
        """What the store holds, unless it is still at `revision`."""
        with self._database.read() as connection:
            current: int = connection.execute(sa.select(state.c.revision)).scalar_one()
            if current == revision:
                return None
            # Keys before projects: a statement sees what has come since the one before it.
            rows = connection.execute(sa.select(keys).where(keys.c.revoked.is_(None))).mappings().all()
            by_name = {row["name"]: read_project(row) for row in connection.execute(sa.select(projects)).mappings()}
            return current, {
                row["hash"]: (row["hash"], Principal(read_key(row), by_name[row["project"]], current)) for row in rows
            }
