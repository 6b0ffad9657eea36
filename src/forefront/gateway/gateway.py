"""The entry of the gateway: checks whether a key may send another request, and creates leases."""

import time
from collections.abc import Callable, Sequence

from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.keys.principal import Principal
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import PriceList
from forefront.gateway.limits.local_reservation import LocalReservation
from forefront.gateway.limits.rate_limiter import RateLimiter, rate_limits
from forefront.gateway.limits.redis_limiter import RedisLimiter
from forefront.gateway.limits.redis_reservation import LimitedSubject, RedisReservation
from forefront.gateway.request_lease import Lease, LeasedRequest
from forefront.observability.request_recorder import RequestRecorder
from forefront.observability.server_metrics import ServerMetrics
from forefront.observability.tracing import Tracer
from forefront.wire.admin.records import Limits
from forefront.wire.errors import RateLimitState, RequestError


class BodyRead:
    """Counts a request whose body is being read towards the limits of concurrent requests."""

    def __init__(self, limiters: Sequence[RateLimiter | LimitedSubject]) -> None:
        self._limiters = limiters

    def __enter__(self) -> None:
        for limiter in self._limiters:
            limiter.reading += 1

    def __exit__(self, *_: object) -> None:
        for limiter in self._limiters:
            limiter.reading -= 1


class Gateway:
    """Gives out leases. One for each server, on its event loop. `clock` is in seconds.

    Limits are counted in memory, or by Redis with a `redis_limiter`, for several servers together.
    """

    def __init__(
        self,
        ledger: Ledger,
        prices: PriceList,
        queue: AdmissionQueue,
        clock: Callable[[], float] = time.monotonic,
        redis_limiter: RedisLimiter | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.queue = queue
        self.ledger = ledger
        self.metrics = ServerMetrics()
        self._tracer = tracer
        self.prices = prices
        self._clock = clock
        self._redis_limiter = redis_limiter
        self._limiters: dict[tuple[str, str], RateLimiter] = {}
        self._cached_limiters: dict[str, tuple[Principal, list[RateLimiter]]] = {}  # by the id of a key
        self._revision = -1

    def admit(self, principal: Principal, model: str, completion_id: str) -> Lease:
        """A lease for one request, to be used as a context manager.

        Raises `RequestError`: 403 for a model that the key may not use, and what `check` raises.
        """
        principal.require_model(model)
        limiters = self.check(principal)
        redis = None if self._redis_limiter is None else self._redis_limiter.reservation(principal)
        request = LeasedRequest(principal, model, completion_id, self.prices[model])
        reservation = redis or LocalReservation(limiters, self._clock)
        recorder = RequestRecorder(self.metrics.model(model), self._tracer, self.metrics.history)
        return Lease(request, reservation, self.ledger, self.queue, recorder)

    def switch(self, lease: Lease, model: str) -> None:
        """Another model takes the request of the lease over."""
        lease.switch(model, self.prices[model])
        lease.recorder.switch(self.metrics.model(model))

    def check(self, principal: Principal) -> list[RateLimiter]:
        """Check whether there is room for one more request of any size. The limiters in memory that count it.

        Raises `RequestError`: 429 over a limit, 503 when the queue is full, and while the ledger cannot be written,
        since usage could not be recorded. With Redis, the lease makes the exact check.
        """
        now = self._clock()
        limiters = [] if self._redis_limiter is not None else self._limiters_of(principal)
        try:
            if not self.ledger.healthy:
                text = "The server cannot write its ledger at the moment, so it accepts no requests; try again."
                raise RequestError("store_unavailable", text)
            if self._redis_limiter is not None:
                self._redis_limiter.check(principal)
            for limiter in limiters:
                limiter.check_request(now)
            self.queue.check(principal.project.name)
        except RequestError as error:
            if self._redis_limiter is None:
                error.rate_limits = rate_limits(limiters, now)
            raise
        return limiters

    async def count_request(self, principal: Principal) -> tuple[RateLimitState, ...]:
        """Count a request that runs no model towards requests per minute, not towards concurrency. The limits after it.

        Raises `RequestError`: 429 over the limit, 503 without Redis.
        """
        reservation: LocalReservation | RedisReservation | None
        if self._redis_limiter is not None:
            reservation = self._redis_limiter.reservation(principal, concurrency=False)
            if reservation is None:
                return ()
        else:
            limiters, now = self._limiters_of(principal), self._clock()
            try:
                for limiter in limiters:
                    limiter.check_requests(now)
            except RequestError as error:
                error.rate_limits = rate_limits(limiters, now)
                raise
            reservation = LocalReservation(limiters, self._clock)
        try:
            await reservation.take(0)
        finally:
            reservation.release(0)
        return reservation.rate_limits()

    def reading(self, principal: Principal) -> BodyRead:
        """The context in which a request's body is read."""
        if self._redis_limiter is not None:
            return BodyRead(self._redis_limiter.subjects(principal))
        return BodyRead(self._limiters_of(principal))

    def wait_estimate(self, principal: Principal) -> tuple[int, float]:
        """The number of requests ahead of the project's next one in the queue, and their expected seconds."""
        return self.queue.estimate_next(principal.project.name, principal.project.weight)

    def _limiters_of(self, principal: Principal) -> list[RateLimiter]:
        if principal.revision > self._revision:
            self._drop_idle(principal.revision)
        cached_for, limiters = self._cached_limiters.get(principal.key.id, (None, []))
        if cached_for is not principal:
            limiters = [
                self._limiter(subject, name, limits, principal.revision) for subject, name, limits in principal.limits()
            ]
            self._cached_limiters[principal.key.id] = (principal, limiters)
        return limiters

    def _limiter(self, subject: str, name: str, limits: Limits, revision: int) -> RateLimiter:
        limiter = self._limiters.get((subject, name))
        if limiter is None:
            limiter = self._limiters[subject, name] = RateLimiter(subject)
        limiter.update(limits, revision)
        return limiter

    def _drop_idle(self, revision: int) -> None:
        """Drop idle limiters, as those of revoked keys, after a change in the store."""
        self._revision = revision
        now = self._clock()
        self._cached_limiters.clear()
        self._limiters = {name: limiter for name, limiter in self._limiters.items() if not limiter.idle(now)}
