"""Generations on replicas: submit → tokens of each step → released.

A generation moves with its prompt and the tokens delivered so far, to a replica of the same fingerprint. Its reader
sees a pause.
"""

import ssl
import time
from collections import defaultdict

from forefront.cluster.backend.connections.replica_connection import ReplicaConnection
from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.cache_lookups import CacheLookups
from forefront.cluster.backend.dispatching.dispatcher import Dispatcher, RemoteLimits
from forefront.cluster.backend.dispatching.remote_generation import RemoteGeneration
from forefront.cluster.discovery.cluster_watch import ModelWatch
from forefront.cluster.protocol.frames import Delta, FromReplica, LookupResult, Pause, Released, Resume, StepTokens
from forefront.engine.generation import Generation


class GenerationDispatcher(Dispatcher[RemoteGeneration]):
    """The generations of one model. `last_token`: the monotonic time of the last one."""

    def __init__(
        self, model: RemoteModel, limits: RemoteLimits, discovery: ModelWatch | None, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(model, limits, discovery, tls)
        self.lookups = CacheLookups(limits.stall_seconds)
        self.tokens_sampled, self.last_token = 0, 0.0
        # Cancelled generations whose release is awaited, by the name of the replica and their number.
        self._cancelled: defaultdict[str, dict[int, Generation]] = defaultdict(dict)

    def cancel(self, request: RemoteGeneration) -> None:
        """Stop a generation. `Generation.release` is called once its replica has stopped it."""
        if request.placement is None:
            request.generation.release()
        else:
            self._cancelled[request.placement.replica.name][request.number] = request.generation
        self.withdraw(request)

    def pause(self, request: RemoteGeneration) -> None:
        """Pause a generation because its reader is slow."""
        request.paused = True
        if request.placement is not None:
            self.pool[request.placement.replica.name].send(Pause(request.number))

    def resume(self, request: RemoteGeneration) -> None:
        """Continue a paused generation."""
        request.paused = False
        if request.placement is not None:
            self.pool[request.placement.replica.name].send(Resume(request.number))

    def deliver(self, connection: ReplicaConnection, message: FromReplica) -> bool:
        """See `Dispatcher.deliver`."""
        match message:
            case StepTokens(deltas=deltas):
                self.last_token = time.monotonic()
                for delta in deltas:
                    self._deliver_tokens(connection, delta)
            case Released(id=number):
                if (generation := self._cancelled[connection.name].pop(number, None)) is not None:
                    generation.release()
            case LookupResult():
                self.lookups.found(connection, message)
            case _:
                return False
        return True

    def _deliver_tokens(self, connection: ReplicaConnection, delta: Delta) -> None:
        request = self.running(connection, delta.id)
        if request is None:
            return
        generation = request.generation
        if delta.cached and not generation.sampled:
            generation.cached_tokens = delta.cached
        generation.accepted_prediction_tokens += delta.accepted_prediction
        generation.rejected_prediction_tokens += delta.rejected_prediction
        tokens = request.add(delta)
        self.tokens_sampled += len(tokens)
        finished = bool(delta.finish) and request.finished
        if finished:
            self.take(connection, delta.id)
        generation.deliver(tokens, last=finished)

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        """See `PoolEvents.lost`."""
        for generation in self._cancelled.pop(connection.name, {}).values():
            generation.release()
        self.lookups.lost(connection)
        super().lost(connection, reason)
