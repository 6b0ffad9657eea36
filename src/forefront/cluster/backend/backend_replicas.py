"""The replicas of one model, as its backend presents them."""

from dataclasses import dataclass

from forefront.cluster.backend.cluster_status import cluster_status
from forefront.cluster.backend.connections.replica_pool import ReplicaPool
from forefront.cluster.backend.dispatching.dispatcher import MoveCounters
from forefront.wire.admin.records import ClusterStatus


@dataclass(frozen=True, slots=True)
class BackendReplicas:
    """`scales_to_zero`: the model may have no replica."""

    pool: ReplicaPool
    moves: MoveCounters
    scales_to_zero: bool

    @property
    def probed(self) -> bool:
        """Whether probes make sense: they start no replica of a model that may have none."""
        return not self.scales_to_zero or any(connection.ready for connection in self.pool)

    def capacity(self) -> int:
        """The sequences that the available replicas can run at once."""
        return self.pool.capacity()

    def status(self) -> ClusterStatus:
        """The report for administrators."""
        return cluster_status(self.pool.router, self.moves)
