"""Who may ask, how much, and what it cost: admit → reserve → wait for a turn → settle."""

import time
from collections.abc import Callable, Sequence

from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.keys.principal import Principal
from forefront.gateway.lease import Lease
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import PriceList
from forefront.gateway.limits.rate_limiter import RateLimiter, rate_headers
from forefront.gateway.limits.redis_limiter import RedisLimiter
from forefront.gateway.limits.redis_reservation import LimitedSubject
from forefront.wire.admin import Limits
from forefront.wire.errors import ApiError


class Reading:
    """Counts one request among those whose bodies are being read."""

    def __init__(self, counted: Sequence[RateLimiter | LimitedSubject]) -> None:
        self._counted = counted

    def __enter__(self) -> None:
        for one in self._counted:
            one.reading += 1

    def __exit__(self, *_: object) -> None:
        for one in self._counted:
            one.reading -= 1


class Gateway:
    """FakeClock out leases. One for a server; on its event loop. `clock` counts seconds.

    Limits are counted in memory, or with `shared` by Redis, for several servers together.
    """

    def __init__(
        self,
        writer: Ledger,
        prices: PriceList,
        turns: AdmissionQueue,
        clock: Callable[[], float] = time.monotonic,
        shared: RedisLimiter | None = None,
    ) -> None:
        self.turns = turns
        self._writer = writer
        self._prices = prices
        self._clock = clock
        self._shared = shared
        self._allowances: dict[tuple[str, str], RateLimiter] = {}
        self._latest: dict[str, tuple[Principal, list[RateLimiter]]] = {}  # by the id of a key
        self._revision = -1

    def admit(self, principal: Principal, model: str, completion: str) -> Lease:
        """A lease for one request, which must be settled whatever happens.

        Raises `ApiError`: 403 for a model that the key may not use, and what `check` raises.
        """
        principal.require_model(model)
        allowances = self.check(principal)
        claim = None if self._shared is None else self._shared.reservation(principal)
        return Lease(
            principal, model, completion, allowances, self._prices[model], self._writer, self.turns, self._clock, claim
        )

    def check(self, principal: Principal) -> list[RateLimiter]:
        """Whether there is room for one more request of theirs, of whatever size; the limits that it counts for.

        Raises `ApiError`: 429 over a limit, 503 when the queue is full, and while the store cannot be written, since
        nothing may run that could not be accounted for. With shared limits, what Redis knows is asked by the lease.
        """
        now = self._clock()
        allowances = [] if self._shared is not None else self._of(principal)
        try:
            if not self._writer.healthy:
                text = "The server cannot write its ledger at the moment, so it takes no requests; try again."
                raise ApiError("store_unavailable", text, headers={"retry-after": "1"})
            if self._shared is not None:
                self._shared.check(principal)
            for allowance in allowances:
                allowance.check_request(now)
            self.turns.check(principal.project.name)
        except ApiError as error:
            error.headers |= rate_headers(allowances, now)
            raise
        return allowances

    def reading(self, principal: Principal) -> "Reading":
        """The context in which a request's body is read: it counts towards the limits of requests at a time."""
        return Reading(self._of(principal) if self._shared is None else self._shared.subjects(principal))

    def _of(self, principal: Principal) -> list[RateLimiter]:
        if principal.revision > self._revision:
            self._forget(principal.revision)
        asked, found = self._latest.get(principal.key.id, (None, []))
        if asked is not principal:
            found = [self._find(of, name, limits, principal.revision) for of, name, limits in principal.limits()]
            self._latest[principal.key.id] = (principal, found)
        return found

    def _find(self, of: str, name: str, limits: Limits, revision: int) -> RateLimiter:
        allowance = self._allowances.get((of, name))
        if allowance is None:
            allowance = self._allowances[of, name] = RateLimiter(of)
        allowance.update(limits, revision)
        return allowance

    def _forget(self, revision: int) -> None:
        """Something has changed in the store: let go of those who ask no more, as of revoked keys."""
        self._revision = revision
        now = self._clock()
        self._latest.clear()
        self._allowances = {name: one for name, one in self._allowances.items() if not one.idle(now)}
