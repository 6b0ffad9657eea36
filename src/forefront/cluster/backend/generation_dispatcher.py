"""Generations on replicas: choose a replica → stream → move to another when it is lost.

A generation moves with its prompt and the tokens delivered so far, to a replica of the same fingerprint. Its reader
sees a pause.
"""

import asyncio
import itertools
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forefront.cluster.backend.remote_generation import RemoteGeneration
from forefront.cluster.backend.replica_connection import ReplicaConnection
from forefront.cluster.backend.replica_pool import RemoteModel, ReplicaPool
from forefront.cluster.protocol.frames import (
    Cancel,
    Delta,
    Failed,
    Found,
    FromReplica,
    Pause,
    Released,
    Resume,
    StepTokens,
)
from forefront.cluster.routing.router import NoReplicaError, PrefixRouter
from forefront.engine.errors import ConstraintError, EngineStoppedError, EngineUnavailableError, StepFailedError
from forefront.engine.generation import Generation

log = logging.getLogger(__name__)

_RETRY_AFTER: Final = 5.0


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """`migrations`: lost replicas that a generation survives. `stall_seconds`: silence after which a replica is lost.
    `start_seconds`: the longest wait for a replica, which may have to be started."""

    migrations: int = 3
    stall_seconds: float = 5.0
    start_seconds: float = 120.0


@dataclass(slots=True)
class MoveCounters:
    """Moves of generations: after `failures` of replicas, as replicas ended (`drains`), and those that exceeded the
    limit (`given_up`)."""

    failures: int = 0
    drains: int = 0
    given_up: int = 0


class GenerationDispatcher:
    """The generations of one model. `wake` is called when one finds no replica, and several times a second while it
    waits. `last_token`: the monotonic time of the last one."""

    def __init__(
        self, model: RemoteModel, limits: RemoteLimits, wake: Callable[[], None], tls: ssl.SSLContext | None
    ) -> None:
        self.router = PrefixRouter(silence_seconds=limits.stall_seconds)
        self.pool = ReplicaPool(model, self.router, limits.stall_seconds, self, tls)
        self.moves = MoveCounters()
        self.tokens_sampled, self.last_token = 0, 0.0
        self._limits, self._wake = limits, wake
        self._numbers = itertools.count(1)
        self._works: dict[Generation, RemoteGeneration] = {}
        self._waiting: dict[RemoteGeneration, float] = {}  # until when

    @property
    def waiting(self) -> int:
        """The generations that wait for a replica."""
        return len(self._waiting)

    def submit(self, work: RemoteGeneration) -> None:
        """Start a generation."""
        self._works[work.generation] = work
        self._dispatch(work)

    def stop(self) -> None:
        """Fail all generations and close all connections."""
        for work in list(self._works.values()):
            self._end(work, EngineStoppedError("the engine was stopped"))
        self.pool.stop()

    # The path of a generation.

    def _dispatch(self, work: RemoteGeneration) -> None:
        """Send a generation to a replica, or let it wait for one."""
        request = work.request
        try:
            placement = self.router.place(
                work.sequence, request.tenant, request.max_tokens, n=request.n, fingerprint=work.fingerprint
            )
        except NoReplicaError:
            self._waiting[work] = asyncio.get_running_loop().time() + self._limits.start_seconds
            self._wake()
            return
        connection, number = self.pool[placement.replica.name], next(self._numbers)
        work.fingerprint = work.generation.fingerprint = connection.state.fingerprint
        connection.generations[number] = work
        connection.send(work.place(number, placement))
        if work.paused:
            connection.send(Pause(number))

    def _deliver(self, connection: ReplicaConnection, delta: Delta) -> None:
        work = connection.generations.get(delta.id)
        if work is None:  # cancelled or moved meanwhile
            return
        generation = work.generation
        if delta.cached and not generation.sampled:
            generation.cached_tokens = delta.cached
        generation.accepted_prediction_tokens += delta.accepted_prediction
        generation.rejected_prediction_tokens += delta.rejected_prediction
        tokens = work.add(delta)
        self.tokens_sampled += len(tokens)
        finished = bool(delta.finish) and work.finished
        if finished:
            self._take_off(connection, work)
            del self._works[generation]
        generation.deliver(tokens, last=finished)

    def _failed(self, connection: ReplicaConnection, message: Failed) -> None:
        work = connection.generations.get(message.id)
        if work is None:
            return
        self._take_off(connection, work)
        match message.kind:
            case "refused":
                self.pool.drain(connection)
                self._dispatch(work)
            case "stopped":
                self._move(work, message.text)
            case "constraint":
                self._end(work, ConstraintError(message.text))
            case _:
                self._end(work, StepFailedError(message.text))

    def _move(self, work: RemoteGeneration, reason: str) -> None:
        """Continue a generation elsewhere after a failure, up to `migrations` times."""
        work.failures += 1
        if work.failures > self._limits.migrations:
            self.moves.given_up += 1
            log.error("a generation has lost %d replicas, the last because %s", work.failures, reason)
            self._end(work, StepFailedError("too many replicas were lost"))
            return
        self.moves.failures += 1
        work.generation.moves += 1
        self._dispatch(work)

    def _end(self, work: RemoteGeneration, error: Exception) -> None:
        del self._works[work.generation]
        self._waiting.pop(work, None)
        if (placement := work.placement) is not None:
            connection = self.pool[placement.replica.name]
            # First: sending may break the connection, which moves all generations that it has.
            self._take_off(connection, work)
            connection.send(Cancel(work.number))
        work.generation.fail(error)

    def cancel(self, generation: Generation) -> None:
        """Stop a generation. `Generation.release` is called once its replica has stopped it."""
        work = self._works.pop(generation, None)
        if work is None or work.placement is None:
            if work is not None:
                self._waiting.pop(work, None)
            generation.release()
            return
        connection = self.pool[work.placement.replica.name]
        self._take_off(connection, work)
        connection.cancelled[work.number] = generation
        connection.send(Cancel(work.number))

    def pause(self, generation: Generation) -> None:
        """Let a generation wait, as its reader is far behind."""
        self._send_about(generation, Pause)

    def resume(self, generation: Generation) -> None:
        """Let a generation go on."""
        self._send_about(generation, Resume)

    def _send_about(self, generation: Generation, kind: type[Pause] | type[Resume]) -> None:
        work = self._works.get(generation)
        if work is None:
            return
        work.paused = kind is Pause
        if work.placement is not None:
            self.pool[work.placement.replica.name].send(kind(work.number))

    @staticmethod
    def _take_off(connection: ReplicaConnection, work: RemoteGeneration) -> None:
        """The generation no longer runs on that replica."""
        del connection.generations[work.number]
        work.leave()

    # Events of the pool.

    def received(self, connection: ReplicaConnection, message: FromReplica) -> None:
        """See `PoolEvents.received`."""
        match message:
            case StepTokens(deltas=deltas):
                self.last_token = time.monotonic()
                for delta in deltas:
                    self._deliver(connection, delta)
            case Released(id=number):
                if (generation := connection.cancelled.pop(number, None)) is not None:
                    generation.release()
            case Failed():
                self._failed(connection, message)
            case Found(id=number, cached=cached):
                if (future := connection.lookups.get(number)) is not None and not future.done():
                    future.set_result(cached)
            case _:
                connection.reset("a message is out of place")

    def available(self) -> None:
        """See `PoolEvents.available`."""
        waiting, self._waiting = self._waiting, {}
        moved = [item for item in waiting.items() if item[0].generation.moves]
        new = [item for item in waiting.items() if not item[0].generation.moves]
        for work, deadline in [*reversed(moved), *new]:
            self._dispatch(work)
            if work in self._waiting:
                self._waiting[work] = deadline

    def leave(self, connection: ReplicaConnection, reason: str | None) -> None:
        """See `PoolEvents.leave`. A replica that ends keeps generations that no other one of its fingerprint could
        take."""
        if reason is None and not self.router.available(connection.state.fingerprint):
            return
        for number, work in reversed(list(connection.generations.items())):
            if number not in connection.generations:
                continue  # sending has broken the connection, and all have moved
            self._take_off(connection, work)
            connection.send(Cancel(number))
            if reason is None:
                self.moves.drains += 1
                work.generation.moves += 1
                self._dispatch(work)
            else:
                self._move(work, reason)

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        """See `PoolEvents.lost`."""
        works, connection.generations = list(connection.generations.values()), {}
        cancelled, connection.cancelled = connection.cancelled, {}
        for generation in cancelled.values():
            generation.release()
        for future in connection.lookups.values():
            if not future.done():
                future.set_result(0)
        for work in works:
            work.leave()
        # On the replica, each precedes those before it.
        for work in reversed(works):
            self._move(work, f"the replica was lost: {reason}")

    def tick(self, now: float) -> None:
        """See `PoolEvents.tick`."""
        for work, deadline in list(self._waiting.items()):
            if now > deadline:
                self._end(work, EngineUnavailableError(_RETRY_AFTER))
        if self._waiting:
            # The first call may have been lost with the process that follows the cluster.
            self._wake()
