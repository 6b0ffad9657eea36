"""The replicas of one model: which of them gets a request, and whether a failed one is tried again."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from forefront.upstream.errors import AttemptFailure, UpstreamError
from forefront.upstream.replica import RoutedRequest, UpstreamReplica
from forefront.upstream.replicas.affinity import conversation_key, rank
from forefront.upstream.replicas.balance import choose_within_bound, least_loaded
from forefront.upstream.replicas.circuit import Circuit, CircuitPolicy
from forefront.upstream.replicas.health_checks import CheckReplica, HealthChecks
from forefront.upstream.replicas.replica_state import ReplicaAttempt, UpstreamReplicaState
from forefront.wire.admin.records import ReplicaStatus

MAX_ATTEMPTS: Final = 3


class UpstreamPool:
    """Chooses by least outstanding tokens, with affinity of conversations. See `Replicas`.

    A request is tried at most `MAX_ATTEMPTS` times: first on replicas that have not failed it, then on any except the
    last. With `check` the replicas are also checked while they have no requests.
    """

    def __init__(
        self,
        replicas: Sequence[UpstreamReplica],
        check: CheckReplica | None = None,
        policy: CircuitPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        policy = policy or CircuitPolicy()
        self._clock = clock
        self._states = [
            UpstreamReplicaState(replica, Circuit(policy, health_checks=check is not None), clock)
            for replica in replicas
        ]
        self._checks = None if check is None else HealthChecks(check, clock)

    def start(self) -> None:
        """Begin the health checks, on the running event loop."""
        if self._checks is not None:
            self._checks.start(self._states)

    async def close(self) -> None:
        """End the health checks."""
        if self._checks is not None:
            await self._checks.close()

    def status(self) -> list[ReplicaStatus]:
        """The state of each replica, for administrators."""
        return [state.status() for state in self._states]

    async def choose(self, routed: RoutedRequest, failures: Sequence[UpstreamError]) -> ReplicaAttempt:
        """See `Replicas.choose`."""
        now, tenant = self._clock(), routed.tenant.name
        if failures and (failures[-1].kind == "request" or len(failures) >= MAX_ATTEMPTS):
            raise failures[-1]
        untried = self._without(failures)
        if trial := next((state for state in untried if self._admits_trial(state, tenant, now)), None):
            return trial.begin(routed.tokens, tenant, trial=True)
        states = [state for state in untried if state.circuit.passes(tenant)]
        if not states and failures:
            states = [state for state in self._without(failures[-1:]) if state.circuit.passes(tenant)]
        with_room = [state for state in states if not state.busy(now)]
        if not with_room and failures and failures[-1].kind == "overloaded":
            raise failures[-1]
        states = with_room or states
        if not states:
            raise failures[-1] if failures else self._unavailable(now)
        return self._choose(states, routed, now).begin(routed.tokens, tenant, trial=False)

    def _without(self, failures: Sequence[UpstreamError]) -> list[UpstreamReplicaState]:
        """The replicas without those of the failures."""
        if not failures:
            return self._states
        failed = {failure.replica for failure in failures}
        return [state for state in self._states if state.replica.name not in failed]

    def _admits_trial(self, state: UpstreamReplicaState, tenant: str, now: float) -> bool:
        return not state.circuit.passes(tenant) and state.circuit.admits_trial(now)

    def _choose(self, states: list[UpstreamReplicaState], routed: RoutedRequest, now: float) -> UpstreamReplicaState:
        if len(states) == 1:
            return states[0]
        loads = [state.load(now) for state in states]
        key = conversation_key(routed.request, routed.tenant)
        if key is None:
            return states[least_loaded(loads, routed.tokens)]
        return states[choose_within_bound(loads, routed.tokens, rank(key, [state.seed for state in states]))]

    def _unavailable(self, now: float) -> UpstreamError:
        wait = min(state.circuit.wait(now) for state in self._states)
        text = "The model's upstream is not available at the moment; try again."
        return UpstreamError(AttemptFailure("unreachable"), "upstream_unavailable", text, retry_after=max(wait, 1.0))
