"""The vectors that a replica computes for one server."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from forefront.cluster.protocol.frames import Cancel, Embed, Failed, FromServer
from forefront.cluster.protocol.vector_codec import pack_vectors, unpack_inputs
from forefront.cluster.replica.request_trace import RequestTrace
from forefront.cluster.replica.server_connection import ReplicaContext, ServerConnection
from forefront.engine.embedding.embedding_engine import EmbeddingEngine
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import EngineStoppedError
from forefront.fairness.tenant import Tenant
from forefront.observability.tracing import Tracer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbeddingService:
    """A `ReplicaService` that computes vectors with `engine`, which runs already. With a `tracer`, requests have spans
    of the name `operation`."""

    engine: EmbeddingEngine
    operation: str
    tracer: Tracer | None = None

    def trace(self, message: Embed) -> RequestTrace | None:
        """The span of a request."""
        if self.tracer is None or not message.trace:
            return None
        tokens = sum(len(entry.tokens) // 4 for entry in message.inputs)
        attributes = {"forefront.prompt_tokens": tokens, "forefront.sequences": len(message.inputs)}
        return RequestTrace(self.tracer, self.operation, message.trace, attributes)

    def stats(self) -> EngineStats:
        """See `ReplicaService.stats`."""
        return self.engine.stats()

    def connect(self, replica: ReplicaContext, closed: Callable[[ServerConnection], None]) -> "EmbeddingConnection":
        """See `ReplicaService.connect`."""
        return EmbeddingConnection(self, replica, closed)

    async def close(self) -> None:
        """See `ReplicaService.close`."""


class EmbeddingConnection(ServerConnection):
    """A server whose requests are sequences that get vectors."""

    def __init__(
        self, service: EmbeddingService, replica: ReplicaContext, closed: Callable[[ServerConnection], None]
    ) -> None:
        super().__init__(replica, closed)
        self._service = service
        self._running: dict[int, asyncio.Task[None]] = {}

    @property
    def requests(self) -> int:
        """See `ServerConnection.requests`."""
        return len(self._running)

    def handle(self, message: FromServer) -> bool:
        """See `ServerConnection.handle`."""
        match message:
            case Embed(id=number) if number not in self._running:
                if self._replica.draining:
                    self.protocol.send(Failed(number, "refused", "the replica is draining"))
                else:
                    self._running[number] = self._run(self._embed(message))
            case Cancel(id=number):
                if (task := self._running.get(number)) is not None:
                    task.cancel()
            case _:
                return False
        return True

    def cancel_all(self, reason: str) -> None:
        """See `ServerConnection.cancel_all`."""
        if self._running:
            log.info("a server's connection ended with %d embedding requests: %s", len(self._running), reason)

    async def _embed(self, message: Embed) -> None:
        work, kind = 0, None
        trace = self._service.trace(message)
        try:
            inputs = unpack_inputs(message)
            work = sum(len(entry.tokens) for entry in inputs)
            self._replica.work += work
            vectors = await self._service.engine.vectors(inputs, Tenant(message.tenant, message.weight))
            self._replica.prompt_tokens += work
            self.protocol.send(pack_vectors(message.id, vectors))
        except Exception as error:  # without an answer, the server would wait forever
            kind = "stopped" if isinstance(error, EngineStoppedError) else "step"
            self.protocol.send(Failed(message.id, kind, str(error)))
        finally:
            self._replica.work -= work
            self._running.pop(message.id, None)
            if trace is not None:
                trace.end({}, kind)
