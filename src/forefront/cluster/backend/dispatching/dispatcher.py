"""Requests on replicas: choose a replica → send → move to another one when it is lost, or wait for one."""

import asyncio
import itertools
import logging
import ssl
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from forefront.cluster.backend.connections.replica_connection import ReplicaConnection
from forefront.cluster.backend.connections.replica_pool import RemoteModel, ReplicaPool
from forefront.cluster.backend.dispatching.remote_request import RemoteRequest
from forefront.cluster.discovery.cluster_watch import ModelWatch
from forefront.cluster.protocol.frames import Cancel, Failed, FromReplica
from forefront.cluster.routing.router import NoReplicaError
from forefront.engine.errors import (
    ConstraintError,
    EngineError,
    EngineStoppedError,
    EngineUnavailableError,
    StepFailedError,
)

log = logging.getLogger(__name__)

_RETRY_AFTER: Final = 5.0

R = TypeVar("R", bound=RemoteRequest)


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """`migrations`: lost replicas that a request survives. `stall_seconds`: silence after which a replica is lost.
    `start_seconds`: the longest wait for a replica, which may have to be started."""

    migrations: int = 3
    stall_seconds: float = 5.0
    start_seconds: float = 120.0


@dataclass(slots=True)
class MoveCounters:
    """Moves of requests: after `failures` of replicas, as replicas ended (`drains`), and those that exceeded the limit
    (`given_up`)."""

    failures: int = 0
    drains: int = 0
    given_up: int = 0


class Dispatcher(ABC, Generic[R]):
    """The requests of one model on the replicas that `discovery` finds. It is a `PoolEvents`."""

    def __init__(
        self, model: RemoteModel, limits: RemoteLimits, discovery: ModelWatch | None, tls: ssl.SSLContext | None
    ) -> None:
        self.pool = ReplicaPool(model, limits.stall_seconds, self, discovery, tls)
        self.router = self.pool.router
        self.moves = MoveCounters()
        self._limits = limits
        self._numbers = itertools.count(1)
        self._running: defaultdict[str, dict[int, R]] = defaultdict(dict)  # by the name of the replica and `number`
        self._waiting: dict[R, float] = {}  # until when

    @property
    def waiting(self) -> int:
        """The requests that wait for a replica."""
        return len(self._waiting)

    def dispatch(self, request: R, deadline: float | None = None) -> None:
        """Send a request to a replica, or let it wait for one, by default `start_seconds` from now on."""
        try:
            placement = request.choose(self.router)
        except NoReplicaError:
            now = asyncio.get_running_loop().time()
            self._waiting[request] = now + self._limits.start_seconds if deadline is None else deadline
            self.pool.wake()
            return
        connection = self.pool[placement.replica.name]
        request.number, request.placement = next(self._numbers), placement
        self._running[connection.name][request.number] = request
        connection.send(request.message(placement))

    def running(self, connection: ReplicaConnection, number: int) -> R | None:
        """The request of that number on the replica. None if it was cancelled or moved meanwhile."""
        return self._running[connection.name].get(number)

    def take(self, connection: ReplicaConnection, number: int) -> R | None:
        """Remove and return the request of that number on the replica. None if it was cancelled or moved meanwhile."""
        request = self._running[connection.name].pop(number, None)
        if request is not None:
            request.leave()
        return request

    def move(self, request: R, reason: str | None) -> None:
        """Move a request to another replica: after a failure, up to `migrations` times, or (None) because its replica
        ends."""
        if reason is None:
            self.moves.drains += 1
        else:
            request.failures += 1
            if request.failures > self._limits.migrations:
                self.moves.given_up += 1
                log.error("a request has lost %d replicas, the last because %s", request.failures, reason)
                self.fail(request, StepFailedError("too many replicas were lost"))
                return
            self.moves.failures += 1
        request.moves += 1
        self.dispatch(request)

    def withdraw(self, request: R) -> None:
        """Stop a request: it neither runs nor waits any longer."""
        self._waiting.pop(request, None)
        if (placement := request.placement) is not None:
            connection = self.pool[placement.replica.name]
            # Remove the request first: sending may break the connection, which moves all of its requests.
            self.take(connection, request.number)
            connection.send(Cancel(request.number))

    def fail(self, request: R, error: EngineError) -> None:
        """End a request with an error."""
        self.withdraw(request)
        request.fail(error)

    def stop(self) -> None:
        """Fail all requests and close all connections."""
        running = itertools.chain.from_iterable(requests.values() for requests in self._running.values())
        for request in [*running, *self._waiting]:
            self.fail(request, EngineStoppedError("the engine was stopped"))
        self.pool.stop()

    @abstractmethod
    def deliver(self, connection: ReplicaConnection, message: FromReplica) -> bool:
        """Take a result. False for a message that is out of place."""

    # Events of the pool.

    def received(self, connection: ReplicaConnection, message: FromReplica) -> None:
        """See `PoolEvents.received`."""
        if isinstance(message, Failed):
            self._failed(connection, message)
        elif not self.deliver(connection, message):
            connection.reset("a message is out of place")

    def _failed(self, connection: ReplicaConnection, message: Failed) -> None:
        request = self.take(connection, message.id)
        if request is None:
            return
        match message.kind:
            case "refused":
                self.pool.drain(connection)
                self.dispatch(request)
            case "stopped":
                self.move(request, message.text)
            case "constraint":
                self.fail(request, ConstraintError(message.text))
            case _:
                self.fail(request, StepFailedError(message.text))

    def available(self) -> None:
        """See `PoolEvents.available`. On the replica, each moved request precedes earlier moved ones, and all new
        ones."""
        waiting, self._waiting = self._waiting, {}
        moved = [item for item in waiting.items() if item[0].moves]
        new = [item for item in waiting.items() if not item[0].moves]
        for request, deadline in [*reversed(moved), *new]:
            self.dispatch(request, deadline)

    def leave(self, connection: ReplicaConnection, reason: str | None) -> None:
        """See `PoolEvents.leave`. A replica that ends keeps the requests that no other one of its fingerprint could
        take."""
        if reason is None and not self.router.available(connection.state.fingerprint):
            return
        for number in reversed(list(self._running[connection.name])):
            # None if sending has broken the connection, which moves all of its requests.
            if (request := self.take(connection, number)) is not None:
                connection.send(Cancel(number))
                self.move(request, reason)

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        """See `PoolEvents.lost`."""
        requests = list(self._running.pop(connection.name, {}).values())
        if requests:
            log.warning("replica %s is lost, %d requests with it: %s", connection.name, len(requests), reason)
        for request in requests:
            request.leave()
        for request in reversed(requests):
            self.move(request, f"the replica was lost: {reason}")

    def tick(self, now: float) -> None:
        """See `PoolEvents.tick`."""
        for request, deadline in list(self._waiting.items()):
            if now > deadline:
                self.fail(request, EngineUnavailableError(_RETRY_AFTER))
        if self._waiting:
            # The first wake-up may have been lost with the process that follows the cluster.
            self.pool.wake()
