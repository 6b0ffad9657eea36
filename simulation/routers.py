"""The router that is measured, and the two that it is compared with."""

from collections.abc import Collection, Sequence
from typing import Final

from forefront.cluster.routing.replica_table import RoutedReplica
from forefront.cluster.routing.router import NoReplicaError, PrefixRouter, Reason
from forefront.fairness.tenant import Tenant


class RandomRouter(PrefixRouter):
    """Any replica."""

    sample_size = 1

    def choose(
        self,
        keys: Sequence[bytes],  # noqa: ARG002
        tenant: Tenant,  # noqa: ARG002
        work: int,  # noqa: ARG002
        fingerprint: str | None,  # noqa: ARG002
        without: Collection[str],
    ) -> tuple[RoutedReplica, int, Reason]:
        """See `PrefixRouter.choose`. All replicas of a simulation have one fingerprint."""
        for _ in range(100):
            sample = [replica for replica in self.sample(self.sample_size) if replica.state.name not in without]
            if sample:
                return min(sample, key=lambda replica: replica.work), 0, "load"
        raise NoReplicaError


class PowerOfTwoRouter(RandomRouter):
    """The less loaded of two random replicas."""

    sample_size = 2


ROUTERS: Final[dict[str, type[PrefixRouter]]] = {
    "random": RandomRouter,
    "power of two": PowerOfTwoRouter,
    "prefix": PrefixRouter,
}
