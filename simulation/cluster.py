"""The cluster in the model: servers with real routers, replicas, heartbeats, failures, and the real scaling policy."""

import itertools
import random
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from forefront.cluster.routing.router import NoReplicaError, Placement, PrefixRouter
from forefront.cluster.routing.scaling import ScalingPolicy, ScalingSettings
from simulation.replica import BLOCK_SIZE, ReplicaFailedError, Run, SimulatedReplica
from simulation.service_times import ServiceTimes
from simulation.workload import Conversation, Workload, WorkloadSettings

Process = Generator[simpy.Event, Any, None]

HEARTBEAT_SECONDS = 1.0
HEARTBEAT_GROUPS = 10  # heartbeats of all replicas are spread over so many moments
STALL_SECONDS = 5.0
DETECTION_SECONDS = 0.03  # from the death of a replica to its servers' reaction
NETWORK_SECONDS = 0.001  # from a server to a replica
MIGRATIONS = 3


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """One run.

    `blocks`: KV blocks of a replica. `slowness`: its step times relative to the measured ones; `slow_replicas` of all
    replicas are `slow_factor` times slower still. `deaths` and `freezes` are rates per replica and second. A dead
    replica is replaced `start_seconds` later. With `scaling` the policy sets the number of replicas.
    """

    replicas: int
    workload: WorkloadSettings
    router: type[PrefixRouter] = PrefixRouter
    servers: int = 2
    blocks: int = 512
    slowness: float = 1.0
    slow_replicas: float = 0.0
    slow_factor: float = 3.0
    deaths: float = 0.0
    freezes: float = 0.0
    start_seconds: float = 10.0
    scaling: ScalingSettings | None = None
    seconds: float = 60.0
    warm_up_seconds: float = 20.0
    seed: int = 1


@dataclass(slots=True)
class RequestRecord:
    """One request. Times are seconds after the start; `ended` counts its results and errors."""

    arrived_at: float
    prompt: int
    output: int
    first_token_at: float | None = None
    ended_at: float | None = None
    cached: int = 0
    computed: int = 0
    moves: int = 0
    longest_pause: float = 0.0
    ended: int = 0
    error: bool = False


@dataclass(slots=True)
class Result:
    """What a run recorded. CPU times are of this process: seconds and calls of placements and of heartbeats."""

    requests: list[RequestRecord] = field(default_factory=list)
    placements: int = 0
    placement_seconds: float = 0.0
    heartbeats: int = 0
    heartbeat_seconds: float = 0.0
    sizes: list[tuple[float, int, int, int]] = field(default_factory=list)  # time, replicas, starting, waiting


class SimulatedCluster:
    """Runs once."""

    def __init__(self, settings: ClusterSettings, times: ServiceTimes) -> None:
        self.settings = settings
        self.env = simpy.Environment()
        self.result = Result()
        self.replicas: list[SimulatedReplica] = []
        self._times = times
        self._chance = random.Random(settings.seed)
        self._workload = Workload(settings.workload, settings.seed + 1)
        self._names = itertools.count()
        self._by_name: dict[str, SimulatedReplica] = {}
        self._starting = self._waiting = 0
        self._replica_ready = self.env.event()
        self._turn = itertools.count()
        self.servers = [
            settings.router(
                silence_seconds=STALL_SECONDS,
                clock=lambda: float(self.env.now),
                chance=random.Random(settings.seed + 2 + number),
            )
            for number in range(settings.servers)
        ]

    def run(self) -> Result:
        """Run to the end of the last request."""
        for _ in range(self.settings.replicas):
            self._add_replica()
        self.env.process(self._conversations())
        for group in range(HEARTBEAT_GROUPS):
            self.env.process(self._heartbeats(group))
        if self.settings.deaths or self.settings.freezes:
            self.env.process(self._failures())
        if self.settings.scaling is not None:
            self.env.process(self._scale(ScalingPolicy(self.settings.scaling)))
        self.env.run(self.settings.seconds)
        while any(not request.ended for request in self.result.requests):
            self.env.run(self.env.now + 1)
        return self.result

    def _conversations(self) -> Process:
        for pause in self._workload.pauses(0.0):
            yield self.env.timeout(pause)
            if self.env.now >= self.settings.seconds:
                return
            self.env.process(self._converse(self._workload.conversation()))

    def _converse(self, conversation: Conversation) -> Process:
        workload, settings = self._workload, self._workload.settings
        for _ in range(workload.turns()):
            conversation.add(*workload.text(settings.message))
            answer = workload.text(settings.answer)
            if (conversation.length + answer[1]) // BLOCK_SIZE >= self.settings.blocks:
                return
            # A load balancer before the servers: any server gets any turn.
            server = self.servers[workload.chance.randrange(len(self.servers))]
            record = RequestRecord(self.env.now, conversation.length, answer[1])
            self.result.requests.append(record)
            yield from self._serve(server, conversation, answer, record)
            conversation.add(*answer)
            yield self.env.timeout(workload.chance.expovariate(1 / settings.think_seconds))
            if record.error or self.env.now >= self.settings.seconds:
                return

    def _serve(
        self, server: PrefixRouter, conversation: Conversation, answer: tuple[int, int], record: RequestRecord
    ) -> Process:
        """One request, from its arrival to its only end."""
        generated, token_at = 0, self.env.now
        without: set[str] = set()
        tokens = conversation.tokens()
        keys = list(conversation.block_keys(conversation.length))
        keys += [b"answer" + answer[0].to_bytes(8, "big") + bytes([i]) for i in range(1 + answer[1] // BLOCK_SIZE)]
        while True:
            known = tokens + list(range(answer[0], answer[0] + generated))
            placement = yield from self._place(server, conversation, known, answer[1] - generated, without)
            replica = self._by_name[placement.replica.name]
            run = Run(self.env, placement, keys, len(known), answer[1] - generated)
            yield self.env.timeout(NETWORK_SECONDS)
            try:
                replica.submit(run)
                yield run.first_token
                placement.prefilled()
                record.longest_pause = max(record.longest_pause, self.env.now - token_at if generated else 0.0)
                if record.first_token_at is None:
                    record.first_token_at = self.env.now
                record.cached += run.cached
                record.computed += len(known) - run.cached
                yield run.ended
            except ReplicaFailedError:
                token_at = replica.failed_at
                generated += replica.generated(run)
                placement.end()
                server.lose(replica.name)
                without = {replica.name}
                record.moves += 1
                if record.moves > MIGRATIONS:
                    record.error = True
                    break
                yield self.env.timeout(DETECTION_SECONDS)
                continue
            placement.end(range(answer[0] + generated, answer[0] + answer[1]))
            break
        record.ended += 1
        record.ended_at = self.env.now

    def _place(
        self,
        server: PrefixRouter,
        conversation: Conversation,
        tokens: Sequence[int],
        output: int,
        without: set[str],
    ) -> Generator[simpy.Event, Any, Placement]:
        """A placement, after a wait for a replica if there is none."""
        while True:
            start = time.thread_time()
            try:
                return server.place(tokens, conversation.tenant, output, without=without)
            except NoReplicaError:
                self._waiting += 1
                yield self._replica_ready
                self._waiting -= 1
            finally:
                self.result.placements += 1
                self.result.placement_seconds += time.thread_time() - start

    def _heartbeats(self, group: int) -> Process:
        yield self.env.timeout(HEARTBEAT_SECONDS * group / HEARTBEAT_GROUPS)
        while True:
            states = [
                replica.state()
                for replica in self.replicas
                if replica.number % HEARTBEAT_GROUPS == group and not replica.failed and not replica.frozen
            ]
            start = time.thread_time()
            for server in self.servers:
                for state in states:
                    server.update(state)
            self.result.heartbeat_seconds += time.thread_time() - start
            self.result.heartbeats += len(states) * len(self.servers)
            yield self.env.timeout(HEARTBEAT_SECONDS)

    def _failures(self) -> Process:
        deaths, freezes = self.settings.deaths, self.settings.freezes
        while True:
            yield self.env.timeout(self._chance.expovariate((deaths + freezes) * max(len(self.replicas), 1)))
            if self.replicas:
                replica = self._chance.choice(self.replicas)
                freezes_now = self._chance.random() * (deaths + freezes) >= deaths
                self.env.process(self._fail(replica, freeze=freezes_now))

    def _fail(self, replica: SimulatedReplica, *, freeze: bool) -> Process:
        if replica.failed or replica.frozen:
            return
        replica.failed_at = self.env.now
        if freeze:
            replica.freeze()
            yield self.env.timeout(STALL_SECONDS)
        self._remove(replica)
        replica.fail()
        if self.settings.scaling is None:
            yield self.env.timeout(self.settings.start_seconds)
            self._add_replica()

    def _scale(self, policy: ScalingPolicy) -> Process:
        while True:
            active = [replica for replica in self.replicas if not replica.draining]
            current = len(active) + self._starting
            wanted = policy.target(self.env.now, current, [it.load() for it in active], self._waiting)
            self.result.sizes.append((self.env.now, len(active), self._starting, self._waiting))
            for _ in range(wanted - current):
                self._starting += 1
                self.env.process(self._start_replica())
            for replica in active[: max(current - wanted - self._starting, 0)]:
                self.env.process(self._drain(replica))
            yield self.env.timeout(1.0)

    def _start_replica(self) -> Process:
        yield self.env.timeout(self.settings.start_seconds)
        self._starting -= 1
        self._add_replica()

    def _drain(self, replica: SimulatedReplica) -> Process:
        replica.draining = True
        for server in self.servers:
            server.drain(replica.name)
        idle = False
        while not (idle and replica.idle):  # twice, since a request may be on its way
            idle = replica.idle
            yield self.env.timeout(10 * NETWORK_SECONDS)
        self._remove(replica)

    def _add_replica(self) -> None:
        settings = self.settings
        slow = settings.slow_factor if self._chance.random() < settings.slow_replicas else 1.0
        number = next(self._names)
        replica = SimulatedReplica(
            self.env, f"replica-{number}", self._times, settings.blocks, settings.slowness * slow, number
        )
        self.replicas.append(replica)
        self._by_name[replica.name] = replica
        for server in self.servers:
            server.update(replica.state())
        ready, self._replica_ready = self._replica_ready, self.env.event()
        ready.succeed()

    def _remove(self, replica: SimulatedReplica) -> None:
        if replica not in self.replicas:  # it died while it was draining
            return
        self.replicas.remove(replica)
        for server in self.servers:
            server.forget(replica.name)
