"""The load and the health of one replica, and the requests that it answers."""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from forefront.upstream.errors import FailureKind, UpstreamError
from forefront.upstream.replica import UpstreamReplica
from forefront.upstream.replicas.affinity import replica_seed
from forefront.upstream.replicas.balance import Load
from forefront.upstream.replicas.circuit import Circuit
from forefront.wire.admin.records import ReplicaStatus

# Seconds for which a full replica comes last: its `retry-after`, within this range.
_BUSY_SECONDS: Final = (1.0, 30.0)


class UpstreamReplicaState:
    """One replica of a pool. Times are those of `clock`."""

    def __init__(self, replica: UpstreamReplica, circuit: Circuit, clock: Callable[[], float]) -> None:
        self.replica = replica
        self.circuit = circuit
        self.seed = replica_seed(replica.base_url)
        self.outstanding_tokens = self.running = 0
        self.answered_at: float | None = None
        self._clock = clock
        self._busy_until = 0.0
        self._failures = 0
        self._last_error: tuple[FailureKind, str, float] | None = None

    def load(self, now: float) -> Load:
        """The load."""
        return Load(self.outstanding_tokens, self.circuit.share(now))

    def busy(self, now: float) -> bool:
        """Whether the replica recently had no room for a request."""
        return now < self._busy_until

    def begin(self, tokens: int, tenant: str, *, trial: bool) -> "ReplicaAttempt":
        """Send a request of so many tokens to the replica."""
        self.outstanding_tokens += tokens
        self.running += 1
        if trial:
            self.circuit.begin_trial()
        return ReplicaAttempt(self, tokens, tenant, trial=trial)

    def answering(self, *, trial: bool) -> None:
        """An answer has begun."""
        self.answered_at = self._clock()
        self.circuit.answering(self.answered_at, trial=trial)

    def answered(self) -> None:
        """An answer is complete."""
        self.answered_at = self._clock()
        self.circuit.answered()

    def fail(self, failure: UpstreamError, tenant: str, *, trial: bool) -> None:
        """A request failed."""
        now = self._clock()
        if failure.kind == "request":
            # The replica has read the request and answered.
            self.circuit.answering(now, trial=trial)
            self.circuit.answered()
            return
        self.record(failure)
        if failure.kind == "overloaded":
            shortest, longest = _BUSY_SECONDS
            self._busy_until = now + min(max(failure.retry_after or 0.0, shortest), longest)
            if not trial:
                return
        self.circuit.fail(now, None if failure.kind == "unreachable" else tenant, trial=trial)

    def record(self, failure: UpstreamError) -> None:
        """Keep the class of a failure for the status."""
        self._failures += 1
        self._last_error = (failure.kind, failure.code, time.time())

    def status(self) -> ReplicaStatus:
        """The state, for administrators."""
        now = self._clock()
        kind, code, at = self._last_error or (None, None, None)
        return ReplicaStatus(
            name=self.replica.name,
            address=_without_secrets(self.replica.base_url),
            state=self.circuit.state(now),
            share=round(self.circuit.share(now), 3),
            running=self.running,
            outstanding_tokens=self.outstanding_tokens,
            failures=self._failures,
            ejections=self.circuit.openings,
            last_error=None if kind is None else f"{kind}: {code}",
            last_error_at=None if at is None else int(at),
        )


class ReplicaAttempt:
    """One request at one replica. See `Attempt`."""

    __slots__ = ("_begun", "_state", "_tenant", "_tokens", "_trial")

    def __init__(self, state: UpstreamReplicaState, tokens: int, tenant: str, *, trial: bool) -> None:
        self._state = state
        self._tokens = tokens
        self._tenant = tenant
        self._trial = trial
        self._begun = False

    @property
    def replica(self) -> UpstreamReplica:
        """See `Attempt.replica`."""
        return self._state.replica

    def begin(self) -> None:
        """See `Attempt.begin`."""
        if not self._begun:
            self._begun = True
            self._state.answering(trial=self._trial)

    def end(self, failure: UpstreamError | None) -> None:
        """See `Attempt.end`."""
        state, pending_trial = self._state, self._trial and not self._begun
        state.outstanding_tokens -= self._tokens
        state.running -= 1
        if failure is not None:
            failure.replica = state.replica.name
            state.fail(failure, self._tenant, trial=pending_trial)
        elif self._begun:
            state.answered()
        elif pending_trial:
            state.circuit.leave_trial()


def _without_secrets(url: str) -> str:
    """The URL without user, password, query and fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
