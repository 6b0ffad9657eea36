"""Limits that several servers share: counted by Redis, atomically, on Redis' own clock.

The library `limits` is unsuitable: its moving window keeps one element per unit (a million for a million tokens), uses
the callers' clocks, and cannot correct a reserved amount.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from forefront.gateway.keys.principal import Principal
from forefront.gateway.limits.redis_reservation import LimitedSubject, RedisReservation, ReservationContext, unavailable
from forefront.gateway.limits.sliding_window import WINDOW
from forefront.gateway.store.database import StoreError
from forefront.wire.admin.records import Limits

if TYPE_CHECKING:
    from forefront.gateway.limits.redis_client import RedisClient

# Seconds after which a concurrency slot expires without a renewal. Servers renew their slots three times as often.
SLOT_TTL: Final = 15.0
_RENEWAL_BATCH: Final = 1000  # slots
_NO_LIMITS: Final = Limits()


class RedisLimiter:
    """One server's access to the shared limits. Call `start` on the event loop that uses it."""

    def __init__(self, client: "RedisClient", window: float = WINDOW, slot_ttl: float = SLOT_TTL) -> None:
        self._client = client
        self._context = ReservationContext(client, window, slot_ttl)
        self._server_id = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._subjects: dict[tuple[str, str], LimitedSubject] = {}
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises `StoreError`."""
        await self._client.start()
        self._renewal = asyncio.create_task(self._renew_slots(), name="forefront-renew")

    async def close(self) -> None:
        """Send pending releases, and disconnect."""
        if self._renewal is not None:
            self._renewal.cancel()
        await self._client.close()

    def check(self, principal: Principal) -> None:
        """Raise `RequestError` for a request that is certain to be refused: 429 over a limit, 503 without Redis."""
        subjects = self.subjects(principal)
        if subjects and not self._client.healthy:
            raise unavailable()
        for subject in subjects:
            subject.check()

    def reservation(self, principal: Principal, *, concurrency: bool = True) -> RedisReservation | None:
        """A reservation for one request; None for a principal without limits. `concurrency`: it takes a slot."""
        subjects = self.subjects(principal)
        if not concurrency:
            subjects = [subject.without_concurrency() for subject in subjects]
        if not subjects:
            return None
        return RedisReservation(f"{self._server_id}-{next(self._numbers)}", subjects, self._context)

    def subjects(self, principal: Principal) -> list[LimitedSubject]:
        """The key and the project, if they have limits."""
        found = []
        for kind, name, limits in principal.limits():
            if limits == _NO_LIMITS:
                continue
            subject = self._subjects.get((kind, name))
            if subject is None or subject.limits != limits:
                subject = self._subjects[kind, name] = LimitedSubject(kind, name, limits)
            found.append(subject)
        return found

    async def _renew_slots(self) -> None:
        """Renew the slots of running requests. Without any, the call checks that Redis responds."""
        while True:
            await asyncio.sleep(self._context.slot_ttl / 3)
            slots = [slot for reservation in self._context.running for slot in reservation.slots()]
            for begin in range(0, len(slots) or 1, _RENEWAL_BATCH):
                batch = slots[begin : begin + _RENEWAL_BATCH]
                ttl = int(self._context.slot_ttl * 1e6)
                self._client.post("renew", [key for key, _ in batch], [ttl, *(id_ for _, id_ in batch)], 0.0)


@asynccontextmanager
async def open_redis_limiter(url: str | None) -> AsyncIterator[RedisLimiter | None]:
    """The limiter of that Redis; None without a URL. Raises `StoreError`: no package, connection or permission."""
    if url is None:
        yield None
        return
    try:
        from forefront.gateway.limits.redis_client import RedisClient  # `redis` is an optional dependency
    except ModuleNotFoundError:
        raise StoreError("limits in Redis need one more package: pip install 'forefront[redis]'") from None
    try:
        client = RedisClient(url)
    except ValueError:
        raise StoreError("`redis.url` is not an address such as redis://host:6379/0") from None
    limiter = RedisLimiter(client)
    await limiter.start()
    try:
        yield limiter
    finally:
        await limiter.close()
