"""Limits that several servers share: counted by Redis, one step at a time, on Redis' own clock.

Not by the `limits` library: its moving window keeps one element for each unit, a million for a million tokens, on the
callers' clocks, and cannot correct what was reserved.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from forefront.gateway.keys.principal import Principal
from forefront.gateway.limits.redis_reservation import Claim, Subject, Terms, out_of_reach
from forefront.gateway.limits.sliding_window import WINDOW
from forefront.gateway.store.database import StoreError
from forefront.wire.admin import Limits

if TYPE_CHECKING:
    from forefront.gateway.limits.redis_client import Line

# After so many seconds without a word of its server a request is taken for dead; servers speak three times as often.
LEASE: Final = 15.0
_PART: Final = 1000  # slots that one step renews
_NONE: Final = Limits()


class SharedLimits:
    """One server's view of them. `start` it on the event loop that calls it."""

    def __init__(self, line: "Line", window: float = WINDOW, lease: float = LEASE) -> None:
        self._line = line
        self._terms = Terms(line, window, lease)
        self._instance = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises `StoreError`."""
        await self._line.start()
        self._renewal = asyncio.create_task(self._renew(), name="forefront-renew")

    async def close(self) -> None:
        """Give back what is on its way, and disconnect."""
        if self._renewal is not None:
            self._renewal.cancel()
        await self._line.close()

    def check(self, principal: Principal) -> None:
        """Raise `ApiError` for a request that would be refused for certain: 429 over a limit, 503 without Redis."""
        subjects = self.subjects(principal)
        if subjects and not self._line.healthy:
            raise out_of_reach()
        for subject in subjects:
            subject.check()

    def claim(self, principal: Principal) -> Claim | None:
        """For one request of theirs; None if they have no limits."""
        subjects = self.subjects(principal)
        return Claim(f"{self._instance}-{next(self._numbers)}", subjects, self._terms) if subjects else None

    def subjects(self, principal: Principal) -> list[Subject]:
        """The key and the project, as far as they have limits."""
        found = []
        for of, name, limits in principal.limited():
            if limits == _NONE:
                continue
            subject = self._subjects.get((of, name))
            if subject is None or subject.limits != limits:
                subject = self._subjects[of, name] = Subject(of, name, limits)
            found.append(subject)
        return found

    async def _renew(self) -> None:
        """Say of what runs that it does. With nothing to say, see that Redis is still there."""
        while True:
            await asyncio.sleep(self._terms.lease / 3)
            slots = [slot for claim in self._terms.running for slot in claim.slots()]
            for begin in range(0, len(slots) or 1, _PART):
                part = slots[begin : begin + _PART]
                lease = int(self._terms.lease * 1e6)
                self._line.post("renew", [key for key, _ in part], [lease, *(id_ for _, id_ in part)], 0.0)


@asynccontextmanager
async def open_shared_limits(url: str | None) -> AsyncIterator[SharedLimits | None]:
    """Those that this Redis counts; None without a URL. Raises `StoreError`: no package, connection or permission."""
    if url is None:
        yield None
        return
    try:
        from forefront.gateway.limits.redis_client import Line  # redis is an extra, loaded only when it is asked for
    except ModuleNotFoundError:
        raise StoreError("limits in Redis need one more package: pip install 'forefront[redis]'") from None
    try:
        line = Line(url)
    except ValueError:
        raise StoreError("`redis.url` is not an address such as redis://host:6379/0") from None
    shared = SharedLimits(line)
    await shared.start()
    try:
        yield shared
    finally:
        await shared.close()
