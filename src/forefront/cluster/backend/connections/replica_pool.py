"""The replicas of one model that a server is connected to: discovery, heartbeats, and a watchdog for their silence."""

import asyncio
import itertools
import logging
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from forefront.cluster.backend.connections.draft_counters import DraftCounters
from forefront.cluster.backend.connections.replica_connection import ReplicaConnection
from forefront.cluster.discovery.cluster_watch import ModelWatch
from forefront.cluster.protocol.frames import FromReplica, Heartbeat, Status
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.cluster.routing.replica_state import ReplicaLoad
from forefront.cluster.routing.router import PrefixRouter

log = logging.getLogger(__name__)

_TICK: Final = 0.25
# Ticks between heartbeats to a replica. Each tick serves a part of the replicas, so that no tick takes long.
_HEARTBEAT_TICKS: Final = 4
# A tick later than this means that this process was suspended, so the silence of replicas is meaningless.
_LATE: Final = 1.0


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """The properties of a model that a server needs before it connects to a replica. Sizes are in tokens. `text`: see
    `ReplicaIdentity`, also for `width`."""

    context_limit: int
    vocabulary_size: int
    text: str
    width: int = 0


class PoolEvents(Protocol):
    """The callbacks of a pool, on the event loop."""

    def received(self, connection: ReplicaConnection, message: FromReplica) -> None:
        """A message other than a heartbeat."""

    def available(self) -> None:
        """A replica takes requests that did not before."""

    def leave(self, connection: ReplicaConnection, reason: str | None) -> None:
        """The requests of a connected replica should move: after a failure, or (None) as the replica ends."""

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        """A connection was lost."""

    def tick(self, now: float) -> None:
        """Some time has passed; `now` is the loop's."""


class ReplicaPool:
    """Connections by replica, and the router that knows their loads. `discovery` finds the replicas; without one,
    `set_addresses` has to be called. `stall_seconds`: a replica is lost after so much silence, or after so long without
    progress of its engine."""

    def __init__(
        self,
        model: RemoteModel,
        stall_seconds: float,
        events: PoolEvents,
        discovery: ModelWatch | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.router = PrefixRouter(silence_seconds=stall_seconds)
        self.drafts = DraftCounters()
        self._model, self._stall_seconds = model, stall_seconds
        self._events, self._discovery, self._tls = events, discovery, tls
        self._unsubscribe: Callable[[], None] = lambda: None
        self._addresses: dict[str, ReplicaAddress] = {}
        self._connections: dict[str, ReplicaConnection] = {}
        self._task: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[ReplicaConnection]:
        return iter(list(self._connections.values()))

    def __getitem__(self, name: str) -> ReplicaConnection:
        return self._connections[name]

    def loads(self) -> list[ReplicaLoad]:
        """The loads of the connected replicas."""
        return [connection.state.load for connection in self if connection.ready]

    def capacity(self) -> int:
        """The sequences that the available replicas can run at once."""
        return sum(connection.state.load.slots for connection in self if connection.available)

    def start(self) -> None:
        """Find and connect the replicas, on the running event loop."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._watch())
        self._connect()

        def changed(replicas: Sequence[ReplicaAddress]) -> None:
            loop.call_soon_threadsafe(self.set_addresses, list(replicas))

        if self._discovery is not None:
            self._unsubscribe = self._discovery.subscribe(changed)

    def wake(self) -> None:
        """Request a replica for a model without one. Cheap to repeat."""
        if self._discovery is not None:
            self._discovery.wake()

    def stop(self) -> None:
        """Close all connections."""
        self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
        for connection in self:
            self._forget(connection)

    def set_addresses(self, addresses: Collection[ReplicaAddress]) -> None:
        """Take the running replicas of the model, as Ray knows them. A replica that is no longer listed stays connected
        while its connection lasts, and gets no new requests."""
        before = self._addresses
        self._addresses = {address.name: address for address in addresses if self._understands(address)}
        for name in self._addresses.keys() - before.keys() & self._connections.keys():
            # It was drained while it was missing. Its next heartbeat makes it known again.
            self.router.forget(name)
        if self._task is not None:
            self._connect()

    def ready(self, connection: ReplicaConnection) -> None:
        """See `ReplicaEvents.ready`. Its first heartbeat follows at once."""
        log.info("replica %s on node %s is connected", connection.name, connection.address.node)

    def received(self, connection: ReplicaConnection, message: FromReplica) -> None:
        """See `ReplicaEvents.received`."""
        if isinstance(message, Status):
            self._note_status(connection, message)
        else:
            self._events.received(connection, message)

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        """See `ReplicaEvents.lost`."""
        self.router.lose(connection.name)
        connection.available = False
        self._events.lost(connection, reason)
        if connection.name not in self._addresses:
            self._forget(connection)

    def drain(self, connection: ReplicaConnection) -> None:
        """Send a replica no new requests."""
        connection.state.draining = True
        connection.available = False
        self.router.drain(connection.name)

    def _connect(self) -> None:
        for connection in self:
            if connection.name not in self._addresses:
                self.drain(connection)
                if not connection.ready:
                    self._forget(connection)
        for name, address in self._addresses.items():
            if name not in self._connections:
                self._connections[name] = ReplicaConnection(address, self, self._tls)

    def _forget(self, connection: ReplicaConnection) -> None:
        was_ready = connection.ready
        connection.close()
        if was_ready:
            self._events.lost(connection, "the connection was closed")
        self.router.forget(connection.name)
        self._connections.pop(connection.name, None)

    def _understands(self, address: ReplicaAddress) -> bool:
        model = self._model
        if address.identity.serves(model.text, model.context_limit, model.vocabulary_size, model.width):
            return True
        log.warning("replica %s serves another model or context: this server sends it no requests", address.name)
        return False

    def _note_status(self, connection: ReplicaConnection, status: Status) -> None:
        if connection.name not in self._addresses:
            status.draining = True
        before, known = connection.state.load, connection.reported
        connection.note_status(status)
        if known:
            self.drafts.add(before, connection.state.load)
        self.router.update(connection.state)
        if status.stalled >= self._stall_seconds:
            self.router.lose(connection.name)
            if connection.available:
                log.warning("replica %s makes no progress", connection.name)
            connection.available = False
            self._events.leave(connection, "the engine of the replica makes no progress")
            return
        was_available, connection.available = connection.available, not status.draining
        if status.leaving:
            self._events.leave(connection, None)
        elif connection.available and not was_available:
            self._events.available()

    async def _watch(self) -> None:
        """The watchdog, and this server's heartbeat."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        for tick in itertools.count():
            await asyncio.sleep(_TICK)
            now = loop.time()
            late, last = now - last - _TICK, now
            for connection in self:
                if not connection.ready:
                    continue
                if late > _LATE:
                    connection.heard = now
                if (hash(connection.name) + tick) % _HEARTBEAT_TICKS == 0:
                    connection.send(Heartbeat())
                if now - connection.heard > self._stall_seconds:
                    connection.reset(f"it was silent for {self._stall_seconds:g} seconds")
            self._events.tick(now)
