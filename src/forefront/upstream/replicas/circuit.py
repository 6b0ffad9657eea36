"""A circuit breaker: ejects a failing replica, and returns it to use gradually. No I/O; the time is an argument."""

import random
from dataclasses import dataclass
from typing import Final, Literal

CircuitState = Literal["closed", "open", "half_open"]

# The owner of failures that are not those of one tenant.
_EVERY_TENANT: Final = None


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """Consecutive failures, and failed health checks, that open a circuit. The pause before a trial, in seconds,
    doubles with each failed trial. After a trial the share of the load grows from `first_share` to 1 within
    `return_seconds`."""

    failures: int = 5
    failed_checks: int = 2
    pause_seconds: float = 1.0
    max_pause_seconds: float = 30.0
    first_share: float = 0.1
    return_seconds: float = 10.0


class Circuit:
    """The circuit of one replica.

    `closed`: in use. `open`: not in use until the pause is over; one that was opened by lost connections or health
    checks also waits for a passed check, if there are health checks. `half_open`: a single request is the trial. A
    trial that is answered closes the circuit; the next failure opens it again, until an answer is complete.

    Requests of one tenant that an upstream cannot handle must not take it from the others: a circuit that was opened by
    the failures of one tenant is open for that tenant only.
    """

    def __init__(
        self, policy: CircuitPolicy, *, health_checks: bool = True, chance: random.Random | None = None
    ) -> None:
        self.openings = 0
        self._policy = policy
        self._health_checks = health_checks
        self._chance = chance or random.Random()  # noqa: S311 - spreads trials over time
        self._failures = self._failed_checks = self._failed_trials = 0
        self._tenant: str | None = _EVERY_TENANT  # the tenant of all counted failures
        self._failures_of_others = 0  # since the circuit is open for `_tenant` only
        self._open = self._trying = self._awaits_check = False
        self._trial_at = 0.0
        self._closed_at: float | None = None

    def state(self, now: float) -> CircuitState:
        """The state; that of the only tenant for which the circuit is open."""
        if not self._open:
            return "closed"
        return "half_open" if self._trying or self._trial_due(now) else "open"

    @property
    def closed(self) -> bool:
        """Whether the requests of all tenants pass."""
        return not self._open

    def passes(self, tenant: str) -> bool:
        """Whether requests of the tenant pass."""
        return not self._open or self._tenant not in (_EVERY_TENANT, tenant)

    def admits_trial(self, now: float) -> bool:
        """Whether a request for which the circuit is open may be the trial."""
        return self._open and not self._trying and self._trial_due(now)

    def wait(self, now: float) -> float:
        """Seconds until the next trial, at least."""
        return max(self._trial_at - now, 0.0) if self._open else 0.0

    def share(self, now: float) -> float:
        """The share of a replica's usual load that it may get: above 0, at most 1."""
        if self._closed_at is None:
            return 1.0
        passed = (now - self._closed_at) / self._policy.return_seconds
        if passed >= 1:
            self._closed_at = None
            return 1.0
        return self._policy.first_share + (1 - self._policy.first_share) * max(passed, 0.0)

    def begin_trial(self) -> None:
        """A request is the trial now."""
        self._trying = True

    def leave_trial(self) -> None:
        """The trial ended without a result, as the client left."""
        self._trying = False

    def answering(self, now: float, *, trial: bool) -> None:
        """An answer has begun. That of a trial closes the circuit."""
        if trial:
            self._open = self._trying = False
            self._closed_at = now if self._tenant is _EVERY_TENANT else None

    def answered(self) -> None:
        """An answer is complete."""
        self._failures_of_others = self._failed_checks = 0
        if not self._open:
            self._failures = self._failed_trials = 0

    def fail(self, now: float, tenant: str | None, *, trial: bool) -> None:
        """A request of the tenant failed; `tenant` is None if a lost connection was the cause."""
        if self._open and not trial:
            self._fail_while_open(tenant)
            return
        self._tenant = tenant if self._failures == 0 or self._tenant == tenant else _EVERY_TENANT
        self._failures += 1
        if trial:
            self._trying = False
            self._failed_trials += 1
        if trial or self._failures >= self._policy.failures:
            self._open_at(now, awaits_check=tenant is None)

    def check_passed(self, now: float) -> None:
        """A health check passed: a circuit that waited for one admits a trial."""
        self._failed_checks = 0
        if self._awaits_check:
            self._awaits_check = False
            self._trial_at = now

    def check_failed(self, now: float) -> None:
        """A health check failed."""
        self._failed_checks += 1
        if self._failed_checks < self._policy.failed_checks:
            return
        self._tenant = _EVERY_TENANT
        if self._open:
            self._awaits_check = self._health_checks
        else:
            self._failures = self._policy.failures
            self._open_at(now, awaits_check=True)

    def _fail_while_open(self, tenant: str | None) -> None:
        """Count a failure of another tenant than the one for which the circuit is open."""
        if self._tenant not in (_EVERY_TENANT, tenant):
            self._failures_of_others += 1
            if self._failures_of_others >= self._policy.failures:
                self._tenant = _EVERY_TENANT

    def _trial_due(self, now: float) -> bool:
        return not self._awaits_check and now >= self._trial_at

    def _open_at(self, now: float, *, awaits_check: bool) -> None:
        if not self._open:
            self.openings += 1
        self._open = True
        self._closed_at = None
        self._failures_of_others = 0
        self._awaits_check = awaits_check and self._health_checks
        pause = self._policy.pause_seconds * 2 ** min(self._failed_trials, 16)
        self._trial_at = now + min(pause, self._policy.max_pause_seconds) * self._chance.uniform(0.8, 1.2)
