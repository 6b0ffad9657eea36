"""What one request takes of limits that several servers share through Redis."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forefront.gateway.limits.rate_limiter import rate_headers, too_many_requests, too_many_running, too_many_tokens
from forefront.gateway.store.database import StoreError
from forefront.wire.admin import Limits
from forefront.wire.errors import ApiError

if TYPE_CHECKING:
    from forefront.gateway.limits.redis_client import Line

_RUNNING, _REQUESTS, _FOR_EVER = 1, 2, -1  # as take.lua has them
_LINGER = 0.25  # seconds


@dataclass(slots=True)
class Seen:
    """What counted when Redis was asked."""

    limit: int
    used: int
    ends: float  # when nothing of it counts any more, on the monotonic clock

    def remaining(self, now: float) -> int:
        """See `Count.remaining`."""
        return self.limit if now >= self.ends else max(self.limit - self.used, 0)

    def reset(self, now: float) -> float:
        """See `Count.reset`."""
        return max(self.ends - now, 0.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """What counted for one subject."""

    requests: Seen | None
    tokens: Seen | None


class Subject:
    """A key or a project that has limits, and where Redis counts for it: under a hash of its name."""

    __slots__ = ("_full", "keys", "limits", "numbers", "of", "reading")

    def __init__(self, of: str, name: str, limits: Limits) -> None:
        self.of, self.limits = of, limits
        self.reading = 0  # requests whose bodies this server is reading
        base = f"forefront:limits:{hashlib.sha256(f'{of}:{name}'.encode()).hexdigest()[:32]}"
        self.keys = (f"{base}:log", f"{base}:amounts", f"{base}:slots")
        bounds = (limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency)
        self.numbers = tuple(-1 if bound is None else bound for bound in bounds)  # as take.lua reads them
        self._full: tuple[float, Sequence[Standing]] = (0.0, ())

    def check(self) -> None:
        """Raise `ApiError` 429 if Redis has said that there is no room for a request before a time that is to come, or
        if as many bodies are being read here as requests may run.

        The former stays true whatever others do: a request that has been counted counts for a whole window.
        """
        if self.limits.concurrency is not None and self.reading >= self.limits.concurrency:
            raise too_many_running(self.of, self.limits.concurrency)
        until, standings = self._full
        if (wait := until - time.monotonic()) > 0:
            assert self.limits.requests_per_minute is not None
            error = too_many_requests(self.of, self.limits.requests_per_minute, wait)
            error.headers |= rate_headers(standings, time.monotonic())
            raise error

    def fill(self, until: float, standings: Sequence[Standing]) -> None:
        """There is no room before `until`, on the monotonic clock."""
        self._full = (until, standings)


@dataclass(frozen=True, slots=True)
class Terms:
    """How claims are made good: the line to Redis, seconds of a window and of a slot that nobody renews, who runs."""

    line: "Line"
    window: float
    lease: float
    running: set["Claim"] = field(default_factory=set)


class Claim:
    """Made for each request. `take` once its size is known; `close` when it is over, whatever came of it."""

    def __init__(self, id_: str, subjects: Sequence[Subject], terms: Terms) -> None:
        self.id, self.subjects = id_, subjects
        self._terms = terms
        self._standings: Sequence[Standing] = ()
        self._amount = 0
        self._asked = False
        self._given_back: asyncio.Future[Any] | None = None

    async def take(self, amount: int) -> None:
        """Count one request of so many tokens. Raises `ApiError`: 429 over a limit, 503 when Redis cannot be asked."""
        if not self._terms.line.healthy:
            raise out_of_reach()
        self._asked, self._amount = True, amount
        times = (int(self._terms.window * 1e6), int(self._terms.lease * 1e6))
        bounds = [number for subject in self.subjects for number in subject.numbers]
        try:
            answer = await self._terms.line.ask("take", self._keys(), [self.id, amount, *times, *bounds])
        except StoreError:
            raise out_of_reach() from None
        (which, what, wait), counts, now = answer[:3], answer[3:], time.monotonic()
        self._standings = [_standing(one.limits, count, now) for one, count in zip(self.subjects, counts, strict=True)]
        if which:
            self._asked = False
            error = self._refusal(which - 1, what, wait, now)
            error.headers |= self.headers()
            raise error
        self._terms.running.add(self)

    def headers(self) -> dict[str, str]:
        """The `x-ratelimit-*` headers: as it stood when Redis was asked, less what has been given back since."""
        return rate_headers(self._standings, time.monotonic())

    def close(self, used: int) -> None:
        """Give back everything but what was used; nobody waits for it."""
        self._terms.running.discard(self)
        if not self._asked:
            return
        self._asked = False
        self._given_back = self._terms.line.post("settle", self._keys(), [self.id, used], self._terms.window)
        for standing in self._standings:
            if standing.tokens is not None:
                standing.tokens.used += used - self._amount

    async def given_back(self) -> None:
        """Return once others can have it, or after a moment: whoever sees an answer's end may ask again at once."""
        back = self._given_back
        if back is not None and not back.done() and self._terms.line.healthy:
            await asyncio.wait((back,), timeout=_LINGER)

    def slots(self) -> list[tuple[str, str]]:
        """The keys of Redis under which it holds a slot, each with the id that holds it."""
        return [(one.keys[2], self.id) for one in self.subjects if one.limits.concurrency is not None]

    def _keys(self) -> list[str]:
        return [key for subject in self.subjects for key in subject.keys]

    def _refusal(self, number: int, what: int, wait: int, now: float) -> ApiError:
        subject, standing, seconds = self.subjects[number], self._standings[number], wait / 1e6
        if what == _RUNNING:
            assert subject.limits.concurrency is not None
            return too_many_running(subject.of, subject.limits.concurrency)
        if what == _REQUESTS:
            assert standing.requests is not None
            subject.fill(now + seconds, self._standings)
            return too_many_requests(subject.of, standing.requests.limit, seconds)
        assert standing.tokens is not None
        return too_many_tokens(subject.of, standing.tokens, now, self._amount, None if wait == _FOR_EVER else seconds)


def out_of_reach() -> ApiError:
    """What is said while limits cannot be counted."""
    text = "The server cannot count this key's limits at the moment, so it takes no requests of it; try again."
    return ApiError("store_unavailable", text, headers={"retry-after": "1"})


def _standing(limits: Limits, count: tuple[int, int, int], now: float) -> Standing:
    requests, tokens, left = count
    ends = now + left / 1e6

    def seen(limit: int | None, used: int) -> Seen | None:
        return None if limit is None else Seen(limit, used, ends)

    return Standing(seen(limits.requests_per_minute, requests), seen(limits.tokens_per_minute, tokens))
