"""The entry of the gateway: checks whether a key may send another request, and creates leases."""

import time
from collections.abc import Sequence

from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.keys.principal import Principal
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import PriceList
from forefront.gateway.limits.local_limiter import LocalLimiter
from forefront.gateway.limits.local_reservation import LocalReservation
from forefront.gateway.limits.rate_limiter import RateLimiter
from forefront.gateway.limits.redis_limiter import RedisLimiter
from forefront.gateway.limits.redis_reservation import LimitedSubject
from forefront.gateway.request_lease import Lease, LeasedRequest
from forefront.observability.request_recorder import RequestRecorder
from forefront.observability.server_metrics import ServerMetrics
from forefront.observability.tracing import Tracer
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
    """Creates leases. One for each server, on its event loop.

    `limiter` counts limits: in memory by default, or in Redis for several servers together.
    """

    def __init__(
        self,
        ledger: Ledger,
        prices: PriceList,
        queue: AdmissionQueue,
        limiter: LocalLimiter | RedisLimiter | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.queue = queue
        self.ledger = ledger
        self.metrics = ServerMetrics()
        self.prices = prices
        self._limiter = limiter or LocalLimiter()
        self._tracer = tracer

    def admit(self, principal: Principal, model: str, completion_id: str) -> Lease:
        """A lease for one request, to be used as a context manager.

        Raises `RequestError`: 403 for a model that the key may not use, and what `check` raises.
        """
        principal.require_model(model)
        self.check(principal)
        request = LeasedRequest(principal, model, completion_id, self.prices[model])
        reservation = self._limiter.reservation(principal) or LocalReservation((), time.monotonic)
        recorder = RequestRecorder(self.metrics.model(model), self._tracer, self.metrics.history)
        return Lease(request, reservation, self.ledger, self.queue, recorder)

    def switch(self, lease: Lease, model: str) -> None:
        """Another model takes over the request of the lease."""
        lease.switch(model, self.prices[model])
        lease.recorder.switch(self.metrics.model(model))

    def check(self, principal: Principal) -> None:
        """Check whether there is room for one more request of any size.

        Raises `RequestError`: 429 over a limit, 503 when the queue is full, and while the ledger cannot be written,
        since usage could not be recorded. With Redis, the lease makes the exact check.
        """
        try:
            if not self.ledger.healthy:
                text = "The server cannot write its ledger at the moment, so it accepts no requests; try again."
                raise RequestError("store_unavailable", text)
            self._limiter.check(principal)
            self.queue.check(principal.project.name)
        except RequestError as error:
            if isinstance(self._limiter, LocalLimiter):
                error.rate_limits = self._limiter.rate_limits(principal)
            raise

    async def count_request(self, principal: Principal) -> tuple[RateLimitState, ...]:
        """Count a request that runs no model towards requests per minute, not towards concurrency. Returns the limits
        afterwards.

        Raises `RequestError`: 429 over the limit, 503 without Redis.
        """
        reservation = self._limiter.reservation(principal, concurrency=False)
        if reservation is None:
            return ()
        try:
            await reservation.take(0)
        finally:
            reservation.release(0)
        return reservation.rate_limits()

    def reading(self, principal: Principal) -> BodyRead:
        """The context in which a request's body is read."""
        return BodyRead(self._limiter.subjects(principal))

    def wait_estimate(self, principal: Principal) -> tuple[int, float]:
        """The number of requests ahead of the project's next one in the queue, and their expected seconds."""
        return self.queue.estimate_next(principal.project.name, principal.project.weight)
