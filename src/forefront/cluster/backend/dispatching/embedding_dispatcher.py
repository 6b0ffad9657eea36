"""Embedding requests on replicas: split into parts → least loaded replicas → vectors."""

import asyncio
import itertools
import ssl
import time
from collections.abc import Sequence

from forefront.cluster.backend.connections.replica_connection import ReplicaConnection
from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import Dispatcher, RemoteLimits
from forefront.cluster.backend.dispatching.embedding_part import EmbeddingContext, EmbeddingPart, split_inputs
from forefront.cluster.discovery.cluster_watch import ModelWatch
from forefront.cluster.protocol.frames import FromReplica, Vectors
from forefront.cluster.protocol.vector_codec import Floats, unpack_vectors
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.errors import StepFailedError
from forefront.fairness.tenant import Tenant


class EmbeddingDispatcher(Dispatcher[EmbeddingPart]):
    """The embedding requests of one model. `last_result`: the monotonic time of the last vectors."""

    def __init__(
        self, model: RemoteModel, limits: RemoteLimits, discovery: ModelWatch | None, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(model, limits, discovery, tls)
        self.tokens_read, self.last_result = 0, 0.0
        self._width = model.width

    async def vectors(self, inputs: Sequence[EmbeddingInput], tenant: Tenant) -> list[Floats]:
        """See `VectorEngine.vectors`."""
        context = EmbeddingContext(tenant)
        parts = [EmbeddingPart(context, part) for part in split_inputs(inputs)]
        try:
            for part in parts:
                self.dispatch(part)
            results = await asyncio.gather(*(part.vectors for part in parts))
        finally:
            for part in parts:
                part.vectors.cancel()
                self.withdraw(part)
        return list(itertools.chain.from_iterable(results))

    def deliver(self, connection: ReplicaConnection, message: FromReplica) -> bool:
        """See `Dispatcher.deliver`."""
        if not isinstance(message, Vectors):
            return False
        part = self.take(connection, message.id)
        if part is None:
            return True
        try:
            vectors = unpack_vectors(message)
        except ValueError:
            vectors = []
        if len(vectors) != len(part.inputs) or message.width != self._width:
            part.fail(StepFailedError("a replica has sent other vectors than requested"))
            return True
        self.tokens_read += part.work
        self.last_result = time.monotonic()
        if not part.vectors.done():
            part.vectors.set_result(vectors)
        return True
