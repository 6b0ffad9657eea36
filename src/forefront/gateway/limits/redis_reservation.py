"""One request's reservation under limits that several servers share through Redis."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from forefront.gateway.limits.rate_limiter import (
    concurrency_exceeded,
    rate_limits,
    requests_exceeded,
    tokens_exceeded,
)
from forefront.gateway.store.database import StoreError
from forefront.wire.admin.records import Limits
from forefront.wire.errors import RateLimitState, RequestError

if TYPE_CHECKING:
    from forefront.gateway.limits.redis_client import RedisClient

_CONCURRENCY, _REQUESTS, _NEVER = 1, 2, -1  # the codes of take.lua
_MAX_RELEASE_WAIT = 0.25  # seconds


@dataclass(slots=True)
class LimitSnapshot:
    """Usage of one limit at the time of the last call to Redis."""

    limit: int
    used: int
    expires_at: float  # the time at which all usage has expired, on the monotonic clock

    def remaining(self, now: float) -> int:
        """See `LimitUsage.remaining`."""
        return self.limit if now >= self.expires_at else max(self.limit - self.used, 0)

    def reset(self, now: float) -> float:
        """See `LimitUsage.reset`."""
        return max(self.expires_at - now, 0.0)


@dataclass(frozen=True, slots=True)
class SubjectSnapshot:
    """Usage of one subject's limits."""

    requests: LimitSnapshot | None
    tokens: LimitSnapshot | None


class LimitedSubject:
    """A key or a project that has limits, with its keys in Redis, which contain a hash of its name."""

    __slots__ = ("_full", "_name", "bounds", "keys", "limits", "reading", "subject")

    def __init__(self, subject: str, name: str, limits: Limits) -> None:
        self.subject, self._name, self.limits = subject, name, limits
        self.reading = 0  # requests whose bodies this server is reading
        base = f"forefront:limits:{hashlib.sha256(f'{subject}:{name}'.encode()).hexdigest()[:32]}"
        self.keys = (f"{base}:log", f"{base}:amounts", f"{base}:slots")
        bounds = (limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency)
        self.bounds = tuple(-1 if bound is None else bound for bound in bounds)  # arguments of take.lua
        self._full: tuple[float, Sequence[SubjectSnapshot]] = (0.0, ())

    def without_concurrency(self) -> "LimitedSubject":
        """The same counts, without the limit of concurrent requests."""
        return LimitedSubject(self.subject, self._name, msgspec.structs.replace(self.limits, concurrency=None))

    def check(self) -> None:
        """Raise `RequestError` 429 if the last response of Redis rules a request out, or if this server reads as many
        bodies as requests may run.

        The response stays valid under requests to other servers: a counted request counts for a whole window.
        """
        if self.limits.concurrency is not None and self.reading >= self.limits.concurrency:
            raise concurrency_exceeded(self.subject, self.limits.concurrency)
        until, snapshots = self._full
        if (wait := until - time.monotonic()) > 0:
            assert self.limits.requests_per_minute is not None
            error = requests_exceeded(self.subject, self.limits.requests_per_minute, wait)
            error.rate_limits = rate_limits(snapshots, time.monotonic())
            raise error

    def mark_full(self, until: float, snapshots: Sequence[SubjectSnapshot]) -> None:
        """Refuse requests before `until`, on the monotonic clock."""
        self._full = (until, snapshots)


@dataclass(frozen=True, slots=True)
class ReservationContext:
    """Shared by all reservations of a server: the client, seconds of a window and of a slot, and the running ones."""

    client: "RedisClient"
    window: float
    slot_ttl: float
    running: set["RedisReservation"] = field(default_factory=set)


class RedisReservation:
    """The reservation of one request. Call `take` once its size is known, and `release` at its end in any case."""

    def __init__(self, id_: str, subjects: Sequence[LimitedSubject], context: ReservationContext) -> None:
        self.id, self.subjects = id_, subjects
        self._context = context
        self._snapshots: Sequence[SubjectSnapshot] = ()
        self._amount = 0
        self._counted = False  # counted or refused by Redis
        self._taken = False  # taken, or possibly taken if Redis did not respond
        self._released: asyncio.Future[Any] | None = None

    async def take(self, amount: int) -> None:
        """Count one request of `amount` tokens. Raises `RequestError`: 429 over a limit, 503 without Redis."""
        if not self._context.client.healthy:
            raise unavailable()
        self._counted, self._taken, self._amount = True, True, amount
        try:
            result = await self._context.client.call("take", self._keys(), self._take_arguments(self.subjects))
        except StoreError:
            raise unavailable() from None
        if (error := self._read(result)) is not None:
            self._taken = False
            raise error
        self._context.running.add(self)

    def rate_limits(self) -> tuple[RateLimitState, ...]:
        """The limits by the last response of Redis, less the amounts released since."""
        return rate_limits(self._snapshots, time.monotonic())

    def release(self, used: int) -> None:
        """Return all tokens but `used` and the concurrency slots, without waiting. A request that failed before `take`
        is counted now: its preparation was work too."""
        self._context.running.discard(self)
        if not self._counted:
            self._count()
        if not self._taken:
            return
        self._taken = False
        self._released = self._context.client.post("settle", self._keys(), [self.id, used], self._context.window)
        for snapshot in self._snapshots:
            if snapshot.tokens is not None:
                snapshot.tokens.used += used - self._amount

    async def wait_released(self) -> None:
        """Wait shortly for Redis to confirm `release`: a client may send its next request right after a response."""
        released = self._released
        if released is not None and not released.done() and self._context.client.healthy:
            await asyncio.wait((released,), timeout=_MAX_RELEASE_WAIT)

    def slots(self) -> list[tuple[str, str]]:
        """The concurrency slots: the key in Redis and the id that holds the slot, for each subject that has that
        limit."""
        return [(subject.keys[2], self.id) for subject in self.subjects if subject.limits.concurrency is not None]

    def _count(self) -> None:
        """Count the request, without tokens and without a slot."""
        self._counted = True
        arguments = self._take_arguments([subject.without_concurrency() for subject in self.subjects])
        counting = self._context.client.post("take", self._keys(), arguments, 0.0)
        counting.add_done_callback(lambda done: None if done.result() is None else self._read(done.result()))

    def _take_arguments(self, subjects: Sequence[LimitedSubject]) -> list[str | int]:
        times = (int(self._context.window * 1e6), int(self._context.slot_ttl * 1e6))
        return [self.id, self._amount, *times, *(bound for subject in subjects for bound in subject.bounds)]

    def _keys(self) -> list[str]:
        return [key for subject in self.subjects for key in subject.keys]

    def _read(self, result: Sequence[Any]) -> RequestError | None:
        """Keep the usage in a result of take.lua. The error if a limit refuses the request."""
        (refusing, limit, wait), usages, now = result[:3], result[3:], time.monotonic()
        self._snapshots = [
            _snapshot(subject.limits, usage, now) for subject, usage in zip(self.subjects, usages, strict=True)
        ]
        if not refusing:
            return None
        error = self._refusal(refusing - 1, limit, wait, now)
        error.rate_limits = self.rate_limits()
        return error

    def _refusal(self, number: int, limit: int, wait: int, now: float) -> RequestError:
        subject, snapshot, seconds = self.subjects[number], self._snapshots[number], wait / 1e6
        if limit == _CONCURRENCY:
            assert subject.limits.concurrency is not None
            return concurrency_exceeded(subject.subject, subject.limits.concurrency)
        if limit == _REQUESTS:
            assert snapshot.requests is not None
            subject.mark_full(now + seconds, self._snapshots)
            return requests_exceeded(subject.subject, snapshot.requests.limit, seconds)
        assert snapshot.tokens is not None
        return tokens_exceeded(subject.subject, snapshot.tokens, now, self._amount, None if wait == _NEVER else seconds)


def unavailable() -> RequestError:
    """The error of a request whose limits cannot be counted."""
    text = "The server cannot count this key's limits at the moment, so it accepts no requests of it; try again."
    return RequestError("store_unavailable", text)


def _snapshot(limits: Limits, usage: tuple[int, int, int], now: float) -> SubjectSnapshot:
    requests, tokens, remaining_time = usage
    expires_at = now + remaining_time / 1e6

    def snapshot(limit: int | None, used: int) -> LimitSnapshot | None:
        return None if limit is None else LimitSnapshot(limit, used, expires_at)

    return SubjectSnapshot(snapshot(limits.requests_per_minute, requests), snapshot(limits.tokens_per_minute, tokens))
