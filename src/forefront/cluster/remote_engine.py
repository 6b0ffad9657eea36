"""The engine of a model whose replicas run elsewhere: choose a replica → stream → move to another when it is lost.

A generation moves with its prompt and the tokens delivered so far, to a replica of the same fingerprint. Its reader
sees a pause.
"""

import asyncio
import itertools
import logging
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from forefront.cluster.frames import (
    Alive,
    Cancel,
    Delta,
    Failed,
    Found,
    FromReplica,
    Lookup,
    Pause,
    Released,
    Resume,
    Status,
    Tokens,
)
from forefront.cluster.remote_generation import RemoteGeneration
from forefront.cluster.replica_connection import ReplicaConnection
from forefront.cluster.replica_identity import ReplicaAddress
from forefront.cluster.routing.replica_state import ReplicaState
from forefront.cluster.routing.router import Router
from forefront.cluster.token_codec import pack_tokens
from forefront.engine.backlog import CAPACITY, Backlog
from forefront.engine.engine import EngineStats
from forefront.engine.errors import (
    ConstraintError,
    ContextExceededError,
    EngineStoppedError,
    EngineUnavailableError,
    StepFailedError,
)
from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest
from forefront.engine.scheduling.block_pool import extend_block_hashes
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant

log = logging.getLogger(__name__)

_TICK: Final = 0.25
# A later tick means that this process itself was suspended: the silence of replicas then proves nothing.
_LATE: Final = 1.0
_HEARTBEAT: Final = 1.0
# Of a prompt, for the choice of a replica: hashing them takes a millisecond.
_MAX_KEYS: Final = 512
_RETRY_AFTER: Final = 5.0


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """`migrations`: lost replicas that a generation survives. `stall_seconds`: silence after which a replica is lost.
    `start_seconds`: the longest wait for a replica, which may have to be started."""

    migrations: int = 3
    stall_seconds: float = 5.0
    start_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What a server must know of a model before it is connected to a replica. Sizes are in tokens."""

    context_limit: int
    vocabulary_size: int
    block_size: int
    text: str


class RemoteEngine:
    """The `TokenEngine` of one model on a cluster. `wake` is called when a request finds no replica."""

    def __init__(
        self,
        model: RemoteModel,
        router: Router,
        limits: RemoteLimits,
        wake: Callable[[], None] = lambda: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.context_limit, self.vocabulary_size = model.context_limit, model.vocabulary_size
        self.moves = self.failures = 0
        self.changed: Callable[[], None] = lambda: None
        self._model, self._router, self._limits = model, router, limits
        self._wake, self._tls = wake, tls
        self._unread = Quota(CAPACITY)
        self._numbers = itertools.count(1)
        self._connections: dict[str, ReplicaConnection] = {}
        self._addresses: Collection[ReplicaAddress] = ()
        # Where each generation runs; None while it waits for a replica.
        self._places: dict[Generation, tuple[RemoteGeneration, ReplicaConnection | None]] = {}
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._tokens_sampled, self._last_token = 0, 0.0

    def start(self) -> None:
        """See `TokenEngine.start`."""
        self._loop = asyncio.get_running_loop()
        self._ticker = self._loop.create_task(self._tick())
        self.set_replicas(self._addresses)

    def set_replicas(self, addresses: Collection[ReplicaAddress]) -> None:
        """Take the running replicas of the model, as Ray knows them. One that is no longer among them stays connected
        as long as its connection lasts, and gets nothing new."""
        self._addresses = addresses
        if self._loop is None:
            return
        wanted = {address.name: address for address in addresses if self._understands(address)}
        for name, connection in list(self._connections.items()):
            if name not in wanted:
                connection.state.draining = True
                if not connection.ready:
                    self._forget(connection)
        for name, address in wanted.items():
            if name not in self._connections:
                self._connections[name] = ReplicaConnection(address, self, self._tls)

    def submit(self, request: GenerateRequest) -> Generation:
        """See `TokenEngine.submit`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        if len(request.prompt) + request.max_tokens > self.context_limit:
            raise ContextExceededError(len(request.prompt), request.max_tokens, self.context_limit)
        if not request.prompt or request.max_tokens < 1 or request.n < 1 or request.resumed:
            raise ValueError("a request needs a prompt, a positive max_tokens and a positive n")
        backlog = Backlog(
            self._unread,
            request.tenant,
            lambda: self._send_about(generation, Pause),
            lambda: self._send_about(generation, Resume),
        )
        generation = Generation(self._loop, request.n, self._cancel, backlog)
        work = RemoteGeneration(request, generation, self._keys(request.prompt, request.tenant))
        self._places[generation] = (work, None)
        self._dispatch(work)
        return generation

    async def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """See `TokenEngine.cached_tokens`: on the replica that the prompt would go to."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        connection = self._choose(self._keys(prompt, tenant), len(prompt), None)
        if connection is None:
            return 0
        number, future = next(self._numbers), self._loop.create_future()
        connection.lookups[number] = future
        try:
            connection.send(Lookup(number, pack_tokens(prompt), tenant.name))
            async with asyncio.timeout(self._limits.stall_seconds):
                count: int = await future
                return count
        except TimeoutError:
            return 0
        finally:
            connection.lookups.pop(number, None)

    async def stop(self) -> None:
        """See `TokenEngine.stop`. The replicas run on."""
        self._stopping = True
        if self._ticker is not None:
            self._ticker.cancel()
        for connection in list(self._connections.values()):
            for number in connection.generations:
                connection.send(Cancel(number))
            self._forget(connection)
        for work, _ in list(self._places.values()):
            self._end(work, EngineStoppedError("the engine was stopped"))

    def stats(self) -> EngineStats:
        """See `TokenEngine.stats`. Sums over the replicas; tokens are those of this server."""
        states = self.replicas()
        queued = sum(connection is None for _, connection in self._places.values())
        return EngineStats(
            running=sum(state.load.running for state in states),
            waiting=sum(state.load.waiting for state in states) + queued,
            blocks_held=sum(state.load.blocks_held for state in states),
            blocks_total=sum(state.load.blocks_total for state in states),
            tokens_sampled=self._tokens_sampled,
            preemptions=0,
            evictions=0,
            restarts=self.failures,
            last_token=self._last_token,
        )

    def replicas(self) -> list[ReplicaState]:
        """The replicas that this server is connected to."""
        return [connection.state for connection in self._connections.values() if connection.ready]

    def capacity(self) -> int:
        """The sequences that the connected replicas can run at once."""
        return sum(connection.state.load.slots for connection in self._connections.values() if connection.available)

    # Events of connections.

    def ready(self, connection: ReplicaConnection) -> None:
        """See `ReplicaEvents.ready`."""
        log.info("replica %s on node %s is connected", connection.name, connection.address.node)
        self._dispatch_waiting()
        self.changed()

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        """See `ReplicaEvents.lost`."""
        works = list(connection.generations.values())
        if works:
            log.warning("replica %s is lost with %d generations: %s", connection.name, len(works), reason)
        self._clear(connection)
        self._router.forget(connection.name)
        if connection.name not in {address.name for address in self._addresses}:
            self._forget(connection)
        for work in works:
            self._move(work, f"the replica was lost: {reason}")
        self.changed()

    def received(self, connection: ReplicaConnection, message: FromReplica) -> None:
        """See `ReplicaEvents.received`."""
        match message:
            case Tokens(deltas=deltas):
                self._last_token = time.monotonic()
                for delta in deltas:
                    self._deliver(connection, delta)
            case Status():
                self._note_status(connection, message)
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

    # The path of a generation.

    def _dispatch(self, work: RemoteGeneration) -> None:
        """Send a generation to a replica, or let it wait for one."""
        assert self._loop is not None
        connection = self._choose(work.keys, len(work.request.prompt), work.fingerprint)
        if connection is None:
            self._places[work.generation] = (work, None)
            work.deadline = self._loop.time() + self._limits.start_seconds
            self._wake()
            return
        number = next(self._numbers)
        work.fingerprint = work.generation.fingerprint = connection.state.fingerprint
        connection.generations[number] = work
        self._places[work.generation] = (work, connection)
        self._router.began(connection.state, work.keys, len(work.request.prompt))
        connection.send(work.submission(number))
        if work.paused:
            connection.send(Pause(number))

    def _dispatch_waiting(self) -> None:
        for work, connection in list(self._places.values()):
            if connection is None:
                self._dispatch(work)

    def _deliver(self, connection: ReplicaConnection, delta: Delta) -> None:
        work = connection.generations.get(delta.id)
        if work is None:  # cancelled or moved meanwhile
            return
        generation = work.generation
        if delta.cached and not generation.sampled:
            generation.cached_tokens = delta.cached
        tokens = work.add(delta)
        self._tokens_sampled += len(tokens)
        finished = bool(delta.finish) and work.finished
        if finished:
            self._take_off(connection, work)
            del self._places[generation]
        generation.deliver(tokens, last=finished)

    def _failed(self, connection: ReplicaConnection, message: Failed) -> None:
        work = connection.generations.get(message.id)
        if work is None:
            return
        self._take_off(connection, work)
        match message.kind:
            case "refused":
                connection.state.draining = True
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
        self.failures += 1
        if work.failures > self._limits.migrations:
            log.error("a generation has lost %d replicas, the last because %s", work.failures, reason)
            self._end(work, StepFailedError("too many replicas were lost"))
            return
        self._continue(work)

    def _continue(self, work: RemoteGeneration) -> None:
        self.moves += 1
        work.generation.moves += 1
        self._dispatch(work)

    def _evacuate(self, connection: ReplicaConnection, reason: str | None) -> None:
        """Move generations away from a replica that is connected: after a failure, or (None) as it wishes, as far as
        there is another one of the same fingerprint."""
        for work in list(connection.generations.values()):
            if reason is None and self._choose(work.keys, len(work.request.prompt), work.fingerprint) is None:
                continue
            connection.send(Cancel(work.number))
            self._take_off(connection, work)
            if reason is None:
                self._continue(work)
            else:
                self._move(work, reason)

    def _end(self, work: RemoteGeneration, error: Exception) -> None:
        self._places.pop(work.generation, None)
        work.generation.fail(error)

    def _cancel(self, generation: Generation) -> None:
        place = self._places.pop(generation, None)
        if place is None:
            generation.release()
            return
        work, connection = place
        if connection is None:
            generation.release()
            return
        self._take_off(connection, work)
        connection.cancelled[work.number] = generation
        connection.send(Cancel(work.number))

    def _take_off(self, connection: ReplicaConnection, work: RemoteGeneration) -> None:
        """The generation no longer runs on that replica."""
        del connection.generations[work.number]
        self._router.ended(connection.state, work.keys, len(work.request.prompt))

    def _choose(self, keys: Sequence[bytes], tokens: int, fingerprint: str | None) -> ReplicaConnection | None:
        states = [
            connection.state
            for connection in self._connections.values()
            if connection.available and fingerprint in (None, connection.state.fingerprint)
        ]
        if not states:
            return None
        return self._connections[self._router.choose(keys, tokens, states).name]

    def _keys(self, prompt: Iterable[int], tenant: Tenant) -> list[bytes]:
        """The hashes of the prompt's first full blocks."""
        size, keys = self._model.block_size, list[bytes]()
        tokens = list(itertools.islice(prompt, _MAX_KEYS * size))
        extend_block_hashes(keys, tokens, len(tokens), size, tenant.salt)
        return keys

    # Replicas.

    def _understands(self, address: ReplicaAddress) -> bool:
        model = self._model
        if address.identity.serves(model.text, model.context_limit, model.vocabulary_size):
            return True
        log.warning("replica %s serves another model or context: it gets nothing from this server", address.name)
        return False

    def _note_status(self, connection: ReplicaConnection, status: Status) -> None:
        connection.note_status(status)
        was_stalled, connection.stalled = connection.stalled, status.stalled >= self._limits.stall_seconds
        if connection.stalled:
            if not was_stalled:
                log.warning("replica %s makes no progress", connection.name)
            self._evacuate(connection, "the engine of the replica makes no progress")
        elif status.leaving:
            self._evacuate(connection, None)
        elif was_stalled:
            self._dispatch_waiting()

    def _clear(self, connection: ReplicaConnection) -> None:
        """Nothing is left on a lost connection."""
        for work in connection.generations.values():
            self._router.ended(connection.state, work.keys, len(work.request.prompt))
        for generation in connection.cancelled.values():
            generation.release()
        for future in connection.lookups.values():
            if not future.done():
                future.set_result(0)
        connection.generations, connection.cancelled, connection.lookups = {}, {}, {}

    def _forget(self, connection: ReplicaConnection) -> None:
        connection.close()
        self._clear(connection)
        self._router.forget(connection.name)
        self._connections.pop(connection.name, None)

    def _send_about(self, generation: Generation, kind: type[Pause] | type[Resume]) -> None:
        work, connection = self._places.get(generation, (None, None))
        if work is None:
            return
        work.paused = kind is Pause
        if connection is not None:
            connection.send(kind(work.number))

    async def _tick(self) -> None:
        """The watchdog of replicas and of waiting generations, and this server's heartbeat."""
        assert self._loop is not None
        last = beat = self._loop.time()
        while True:
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            late, last = now - last - _TICK, now
            alive = now - beat >= _HEARTBEAT
            beat = now if alive else beat
            for connection in list(self._connections.values()):
                if not connection.ready:
                    continue
                if late > _LATE:
                    connection.heard = now
                if alive:
                    connection.send(Alive())
                if now - connection.heard > self._limits.stall_seconds:
                    connection.reset(f"it was silent for {self._limits.stall_seconds:g} seconds")
            for work, place in list(self._places.values()):
                if place is None and now > work.deadline:
                    self._end(work, EngineUnavailableError(_RETRY_AFTER))
