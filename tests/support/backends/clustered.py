"""A backend with instant answers behind a real router with three replicas on two nodes."""

from dataclasses import replace

from forefront.chat.backend import EngineStats
from forefront.cluster.backend.cluster_status import cluster_status
from forefront.cluster.backend.dispatching.dispatcher import MoveCounters
from forefront.cluster.routing.replica_state import ReplicaLoad, ReplicaState
from forefront.cluster.routing.router import PrefixRouter
from forefront.fairness.tenant import NO_TENANT
from forefront.wire.admin.records import ClusterStatus
from tests.support.backends.instant import InstantBackend

MODEL = "clustered"


class ClusteredInstant(InstantBackend):
    """One replica is available, one draining, one lost. Of 200 prompt tokens, 64 were routed to a known prefix."""

    def start(self) -> None:
        """Fill the router, in the server's process."""
        self._router, self._moves = PrefixRouter(), MoveCounters(failures=3, drains=2, given_up=1)
        load = ReplicaLoad(
            running=3, waiting=1, work=700, blocks_held=5, blocks_total=10, draft_tokens=12, accepted_tokens=7
        )
        for number in (1, 2, 3):
            state = ReplicaState(f"replica-{number}", f"node-{number // 2}", "fp", 32, load=load)
            self._router.update(state)
        self._router.drain("replica-2")
        self._router.lose("replica-3")
        for _ in range(2):
            placement = self._router.place(list(range(100)), NO_TENANT, 16)
            placement.prefilled()
            placement.end()

    def stats(self) -> EngineStats:
        """See `Backend.stats`."""
        return replace(super().stats(), drafts=3, draft_tokens=12, accepted_tokens=7)

    def cluster_status(self) -> ClusterStatus:
        """See `ClusteredBackend.cluster_status`."""
        return cluster_status(self._router, self._moves)
