"""Embedding requests on replicas: split into parts → least loaded replicas → vectors; again elsewhere after a loss."""

import asyncio
import itertools
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from forefront.cluster.backend.generation_dispatcher import MoveCounters, RemoteLimits
from forefront.cluster.backend.replica_connection import ReplicaConnection
from forefront.cluster.backend.replica_pool import RemoteModel, ReplicaPool
from forefront.cluster.protocol.frames import Cancel, Failed, FromReplica, Vectors
from forefront.cluster.protocol.vector_codec import Floats, pack_inputs, unpack_vectors
from forefront.cluster.routing.router import NoReplicaError, Placement, PrefixRouter
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.errors import EngineError, EngineStoppedError, EngineUnavailableError, StepFailedError
from forefront.fairness.tenant import Tenant

log = logging.getLogger(__name__)

# Tokens and sequences of a part, at most, unless one sequence has more tokens: a few passes of the engine.
_PART_TOKENS: Final = 8192
_PART_SEQUENCES: Final = 64
_RETRY_AFTER: Final = 5.0


class EmbeddingRequest:
    """The parts of one request. All get their vectors from replicas of the first part's `fingerprint`: vectors of
    different models cannot be compared."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.fingerprint: str | None = None
        self.parts: list[EmbeddingPart] = []


class EmbeddingPart:
    """Some sequences of a request. `placement` is the present one, None while it waits for a replica; `number`
    identifies it there. `failures` counts the replicas that it has lost."""

    def __init__(self, request: EmbeddingRequest, inputs: Sequence[EmbeddingInput]) -> None:
        self.request, self.inputs = request, inputs
        self.work = sum(len(entry.tokens) for entry in inputs)
        self.vectors: asyncio.Future[list[Floats]] = asyncio.get_running_loop().create_future()
        self.placement: Placement | None = None
        self.number = self.failures = 0

    def leave(self) -> None:
        """Leave the place at the replica."""
        if self.placement is not None:
            self.placement.end()
            self.placement = None


class EmbeddingDispatcher:
    """The embedding requests of one model. `wake` as for `GenerationDispatcher`. `last_result`: the monotonic time of
    the last vectors."""

    def __init__(
        self, model: RemoteModel, limits: RemoteLimits, wake: Callable[[], None], tls: ssl.SSLContext | None
    ) -> None:
        self.router = PrefixRouter(silence_seconds=limits.stall_seconds)
        self.pool = ReplicaPool(model, self.router, limits.stall_seconds, self, tls)
        self.moves = MoveCounters()
        self.tokens_read, self.last_result = 0, 0.0
        self._limits, self._wake = limits, wake
        self._width = model.width
        self._numbers = itertools.count(1)
        self._running: dict[tuple[str, int], EmbeddingPart] = {}  # by the name of the replica and `number`
        self._waiting: dict[EmbeddingPart, float] = {}  # until when

    @property
    def waiting(self) -> int:
        """The parts that wait for a replica."""
        return len(self._waiting)

    async def vectors(self, inputs: Sequence[EmbeddingInput], tenant: Tenant) -> list[Floats]:
        """See `VectorEngine.vectors`."""
        request = EmbeddingRequest(tenant)
        request.parts = [EmbeddingPart(request, part) for part in _split(inputs)]
        try:
            for part in request.parts:
                self._dispatch(part)
            results = await asyncio.gather(*(part.vectors for part in request.parts))
        finally:
            for part in request.parts:
                self._cancel(part)
        return list(itertools.chain.from_iterable(results))

    def stop(self) -> None:
        """Fail all requests and close all connections."""
        for part in [*self._running.values(), *self._waiting]:
            self._end(part, EngineStoppedError("the engine was stopped"))
        self.pool.stop()

    def _dispatch(self, part: EmbeddingPart) -> None:
        """Send a part to a replica, or let it wait for one."""
        request = part.request
        try:
            placement = self.router.place_by_load(part.work, request.tenant, request.fingerprint)
        except NoReplicaError:
            self._waiting[part] = asyncio.get_running_loop().time() + self._limits.start_seconds
            self._wake()
            return
        connection = self.pool[placement.replica.name]
        part.number, part.placement = next(self._numbers), placement
        request.fingerprint = connection.state.fingerprint
        self._running[connection.name, part.number] = part
        connection.send(pack_inputs(part.number, part.inputs, request.tenant))

    def _take(self, connection: ReplicaConnection, number: int) -> EmbeddingPart | None:
        """The part of that number, which no longer runs on the replica. None if it was cancelled or moved meanwhile."""
        part = self._running.pop((connection.name, number), None)
        if part is not None:
            part.leave()
        return part

    def _deliver(self, connection: ReplicaConnection, message: Vectors) -> None:
        part = self._take(connection, message.id)
        if part is None:
            return
        try:
            vectors = unpack_vectors(message)
        except ValueError:
            vectors = []
        if len(vectors) != len(part.inputs) or message.width != self._width:
            self._end(part, StepFailedError("a replica has sent other vectors than requested"))
            return
        self.tokens_read += part.work
        self.last_result = time.monotonic()
        if not part.vectors.done():
            part.vectors.set_result(vectors)

    def _failed(self, connection: ReplicaConnection, message: Failed) -> None:
        part = self._take(connection, message.id)
        if part is None:
            return
        if message.kind == "refused":
            self.pool.drain(connection)
            self._dispatch(part)
        elif message.kind == "stopped":
            self._move(part, message.text)
        else:
            self._end(part, StepFailedError(message.text))

    def _move(self, part: EmbeddingPart, reason: str) -> None:
        """Compute a part elsewhere after a failure, up to `migrations` times."""
        part.failures += 1
        if part.failures > self._limits.migrations:
            self.moves.given_up += 1
            log.error("an embedding request has lost %d replicas, the last because %s", part.failures, reason)
            self._end(part, StepFailedError("too many replicas were lost"))
            return
        self.moves.failures += 1
        self._dispatch(part)

    def _end(self, part: EmbeddingPart, error: EngineError) -> None:
        if not part.vectors.done():
            part.vectors.set_exception(error)
        self._cancel(part)

    def _cancel(self, part: EmbeddingPart) -> None:
        """Stop the computation of a part, if it has not ended."""
        part.vectors.cancel()
        self._waiting.pop(part, None)
        if (placement := part.placement) is not None:
            connection = self.pool[placement.replica.name]
            # First: sending may break the connection, which moves all parts that it has.
            self._take(connection, part.number)
            connection.send(Cancel(part.number))

    def _parts(self, connection: ReplicaConnection) -> Iterator[EmbeddingPart]:
        """The parts of a replica, which no longer run there."""
        for name, number in list(self._running):
            if name == connection.name and (part := self._take(connection, number)) is not None:
                yield part

    # Events of the pool.

    def received(self, connection: ReplicaConnection, message: FromReplica) -> None:
        """See `PoolEvents.received`."""
        match message:
            case Vectors():
                self._deliver(connection, message)
            case Failed():
                self._failed(connection, message)
            case _:
                connection.reset("a message is out of place")

    def available(self) -> None:
        """See `PoolEvents.available`."""
        waiting, self._waiting = self._waiting, {}
        for part, deadline in waiting.items():
            self._dispatch(part)
            if part in self._waiting:
                self._waiting[part] = deadline

    def leave(self, connection: ReplicaConnection, reason: str | None) -> None:
        """See `PoolEvents.leave`. A replica that ends keeps the parts that no other one of its fingerprint could
        take."""
        if reason is None and not self.router.available(connection.state.fingerprint):
            return
        for part in self._parts(connection):
            connection.send(Cancel(part.number))
            if reason is None:
                self.moves.drains += 1
                self._dispatch(part)
            else:
                self._move(part, reason)

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        """See `PoolEvents.lost`."""
        for part in self._parts(connection):
            self._move(part, f"the replica was lost: {reason}")

    def tick(self, now: float) -> None:
        """See `PoolEvents.tick`."""
        for part, deadline in list(self._waiting.items()):
            if now > deadline:
                self._end(part, EngineUnavailableError(_RETRY_AFTER))
        if self._waiting:
            # The first call may have been lost with the process that follows the cluster.
            self._wake()


def _split(inputs: Sequence[EmbeddingInput]) -> Iterator[Sequence[EmbeddingInput]]:
    """The sequences in parts, in order."""
    begin = tokens = 0
    for index, entry in enumerate(inputs):
        full = tokens + len(entry.tokens) > _PART_TOKENS or index - begin >= _PART_SEQUENCES
        if full and index > begin:
            yield inputs[begin:index]
            begin, tokens = index, 0
        tokens += len(entry.tokens)
    yield inputs[begin:]
