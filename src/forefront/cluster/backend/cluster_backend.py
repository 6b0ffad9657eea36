"""The backend of a model on a cluster: text in this process, tokens on replicas."""

import asyncio
from collections.abc import Callable, Sequence

from forefront.chat.local.local_backend import LocalBackend
from forefront.chat.local.preparation import RequestPreparer
from forefront.cluster.backend.cluster_status import cluster_status
from forefront.cluster.backend.remote_engine import RemoteEngine
from forefront.cluster.discovery.cluster_watch import ClusterWatch
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.wire.admin.records import ClusterStatus


class ClusterBackend(LocalBackend):
    """A `LocalBackend` whose engine follows the replicas of `model`. `scales_to_zero`: it may have none."""

    def __init__(
        self, model: str, engine: RemoteEngine, preparer: RequestPreparer, watch: ClusterWatch, *, scales_to_zero: bool
    ) -> None:
        super().__init__(engine, preparer)
        self.engine = engine
        self._model, self._watch, self._scales_to_zero = model, watch, scales_to_zero
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """See `Backend.start`."""
        super().start()
        loop = asyncio.get_running_loop()

        def changed(replicas: Sequence[ReplicaAddress]) -> None:
            loop.call_soon_threadsafe(self.engine.set_replicas, list(replicas))

        self._unsubscribe = self._watch.subscribe(self._model, changed)

    def cluster_status(self) -> ClusterStatus:
        """See `ClusteredBackend.cluster_status`."""
        return cluster_status(self.engine.router, self.engine.dispatcher.moves)

    async def probe(self) -> None:
        """See `Backend.probe`. A probe starts no replica of a model that may have none."""
        if not self._scales_to_zero or self.engine.replicas():
            await super().probe()

    async def close(self) -> None:
        """See `Backend.close`."""
        self._unsubscribe()
        await super().close()
