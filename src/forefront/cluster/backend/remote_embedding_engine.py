"""The engine of an embedding model whose replicas run elsewhere."""

import ssl
from collections.abc import Collection, Sequence

from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.dispatching.embedding_dispatcher import EmbeddingDispatcher
from forefront.cluster.discovery.cluster_watch import ModelWatch
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.cluster.protocol.vector_codec import Floats
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import EngineStoppedError
from forefront.fairness.tenant import Tenant


class RemoteEmbeddingEngine:
    """The `VectorEngine` of one model on a cluster. `discovery`: see `ReplicaPool`."""

    def __init__(
        self,
        model: RemoteModel,
        limits: RemoteLimits,
        discovery: ModelWatch | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.dispatcher = EmbeddingDispatcher(model, limits, discovery, tls)
        self.pool = self.dispatcher.pool
        self._running = False

    def start(self) -> None:
        """See `VectorEngine.start`."""
        self._running = True
        self.pool.start()

    def set_replicas(self, addresses: Collection[ReplicaAddress]) -> None:
        """See `ReplicaPool.set_addresses`."""
        self.pool.set_addresses(addresses)

    async def vectors(self, inputs: Sequence[EmbeddingInput], tenant: Tenant) -> list[Floats]:
        """See `VectorEngine.vectors`."""
        if not self._running:
            raise EngineStoppedError("the engine is not running")
        return await self.dispatcher.vectors(inputs, tenant)

    async def stop(self) -> None:
        """See `VectorEngine.stop`. The replicas run on."""
        self._running = False
        self.dispatcher.stop()

    def stats(self) -> EngineStats:
        """See `VectorEngine.stats`. Sums over the replicas; tokens are those of this server."""
        loads = self.pool.loads()
        running, waiting = sum(load.running for load in loads), sum(load.waiting for load in loads)
        dispatcher = self.dispatcher
        return EngineStats(
            running, waiting + dispatcher.waiting, 0, 0, dispatcher.tokens_read, 0, 0, 0, dispatcher.last_result
        )
