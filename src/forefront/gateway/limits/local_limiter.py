"""Limits that one server counts in memory."""

import time
from collections.abc import Callable

from forefront.gateway.keys.principal import Principal
from forefront.gateway.limits.local_reservation import LocalReservation
from forefront.gateway.limits.rate_limiter import RateLimiter, rate_limits
from forefront.wire.admin.records import Limits
from forefront.wire.errors import RateLimitState, RequestError


class LocalLimiter:
    """The limits of all keys and projects. It has the methods of `RedisLimiter`. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limiters: dict[tuple[str, str], RateLimiter] = {}
        self._cached: dict[str, tuple[Principal, list[RateLimiter]]] = {}  # by the id of a key
        self._revision = -1

    def check(self, principal: Principal) -> None:
        """Raise `RequestError` 429 if one more request exceeds a limit."""
        now = self._clock()
        for limiter in self.subjects(principal):
            limiter.check_request(now)

    def reservation(self, principal: Principal, *, concurrency: bool = True) -> LocalReservation:
        """A reservation for one request that `check` has passed. Without `concurrency`, it is for a request that runs
        no model and takes no slot. Then this raises `RequestError` 429 over the limit per minute."""
        limiters = self.subjects(principal)
        if not concurrency:
            now = self._clock()
            try:
                for limiter in limiters:
                    limiter.check_requests(now)
            except RequestError as error:
                error.rate_limits = rate_limits(limiters, now)
                raise
        return LocalReservation(limiters, self._clock)

    def rate_limits(self, principal: Principal) -> tuple[RateLimitState, ...]:
        """The current limits of the key and its project."""
        return rate_limits(self.subjects(principal), self._clock())

    def subjects(self, principal: Principal) -> list[RateLimiter]:
        """The limiters of the key and the project."""
        if principal.revision > self._revision:
            self._drop_idle(principal.revision)
        cached_for, limiters = self._cached.get(principal.key.id, (None, []))
        if cached_for is not principal:
            limiters = [
                self._limiter(subject, name, limits, principal.revision) for subject, name, limits in principal.limits()
            ]
            self._cached[principal.key.id] = (principal, limiters)
        return limiters

    def _limiter(self, subject: str, name: str, limits: Limits, revision: int) -> RateLimiter:
        limiter = self._limiters.get((subject, name))
        if limiter is None:
            limiter = self._limiters[subject, name] = RateLimiter(subject)
        limiter.update(limits, revision)
        return limiter

    def _drop_idle(self, revision: int) -> None:
        """Drop idle limiters, such as those of revoked keys, after a change in the store."""
        self._revision = revision
        now = self._clock()
        self._cached.clear()
        self._limiters = {name: limiter for name, limiter in self._limiters.items() if not limiter.idle(now)}
