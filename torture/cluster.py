"""A cluster of two local nodes on Ray: kills, freezes, cuts, scaling, an upgrade, and a control plane that is away."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from forefront.cluster.deployment.local_cluster import LocalCluster, add_node, find_local
from forefront.cluster.deployment.ray_environment import ray_environment
from forefront.cluster.discovery.cluster_watch import ClusterWatch
from forefront.cluster.protocol.frames import Challenge, FromReplica, Hello, Status, Welcome
from forefront.cluster.protocol.proof import new_nonce, proof
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.engines.process_tree import descendants
from tests.support.server import KEY, RunningServer, run_server
from torture.client import Client
from torture.harness import Harness, entered
from torture.ledger_audit import audit_ledger

MODEL: Final = "forefront-mini"
_STALL: Final = 3.0
_STREAMS: Final = 64
# The smallest scale of a run with all scenarios.
_WHOLE: Final = 0.03
_SETTINGS: Final = f"""
[ray]
stall_seconds = {_STALL}
grace_seconds = 2
migrations = 3
[ray.models."{MODEL}"]
replicas = {{ min = 2, max = 2 }}
cpus = 0.5
kv_cache_gib = 0.2
"""


@dataclass
class Stream:
    """One answer as its client saw it."""

    completion: str | None = None
    tokens: int | None = None
    moves: int = 0
    errors: int = 0
    finished: bool = False
    longest_pause: float = 0.0


@dataclass
class Cluster:
    """The cluster of this part. `store`: of all servers."""

    harness: Harness
    home: Path
    store: str
    streams: list[Stream] = field(default_factory=list)

    @property
    def num_streams(self) -> int:
        """The streams that run at once."""
        return min(self.harness.count(10 * _STREAMS, least=8), _STREAMS)

    @property
    def local(self) -> LocalCluster:
        local = find_local(self.home)
        assert local is not None
        return local

    async def command(self, *arguments: str) -> str:
        """Run `forefront cluster …`. Raises `RuntimeError` if it fails."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "forefront.cli", "cluster", *arguments),
            cwd=self.home.parent,
            env=os.environ | {"FOREFRONT_HOME": str(self.home), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
        if process.returncode:
            raise RuntimeError(f"forefront cluster {' '.join(arguments)}: {output[-500:]}")
        return output

    @asynccontextmanager
    async def server(self) -> AsyncIterator[RunningServer]:
        """A server on the cluster."""
        environment = {
            "FOREFRONT_DATABASE_URL": self.store,
            "FOREFRONT_CONFIG": str(self.home.parent / "forefront.toml"),
        }
        log = self.harness.new_folder() / "log"
        async with entered(run_server(["--ray", "auto"], self.home, environment=environment, log=log)) as running:
            yield running

    def replica_processes(self) -> list[int]:
        """The processes of the replicas, those that start too."""
        processes = [process for node in self.local.processes[1:] for process in descendants(node)]
        return [process for process in processes if "ray::ServeReplica" in _command(process)]

    async def addresses(self, count: int) -> list[ReplicaAddress]:
        """The addresses of the running replicas, once there are so many."""
        local = self.local
        watch = ClusterWatch(local.address, [MODEL], ray_environment(os.environ) | local.environment())
        watch.start()
        try:
            async with asyncio.timeout(120):
                while len(found := await asyncio.to_thread(watch.wait, MODEL, 60.0)) != count:
                    await asyncio.sleep(0.2)
            return found
        finally:
            await asyncio.to_thread(watch.stop)


async def run(harness: Harness) -> None:
    """All scenarios on one cluster. A small fraction leaves out those that take minutes: nodes, scaling, an upgrade and
    the control plane."""
    whole = harness.scale >= _WHOLE
    folder = harness.new_folder()
    (folder / "forefront.toml").write_text(_SETTINGS)
    cluster = Cluster(harness, folder / "home", harness.new_store(harness.stores[-1]))
    try:
        await cluster.command("up", "--local", "2")
        async with cluster.server() as server:
            await _cuts(cluster, server)
            await _kills(cluster, server, ("replica", "node") if whole else ("replica",))
            await _freezes(cluster, server, ("replica", "node") if whole else ("replica",))
            if whole:
                await _scaling(cluster, server)
                await _control_plane(cluster, server)
            async with cluster.server() as second:
                await _two_servers(cluster, server, second)
        await _ledger(cluster)
    finally:
        await cluster.command("down")


async def _cuts(cluster: Cluster, server: RunningServer) -> None:
    """Clients that leave at random moments: the replicas stop their work."""
    count = cluster.harness.count(500)
    addresses = await cluster.addresses(2)

    async def cut() -> None:
        client = Client(server.url, KEY)
        reader = await client.begin("POST", "/v1/chat/completions", _body(2000))
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0.0, 0.5)):
                while await reader.read(4096):
                    pass
        client.abort()

    for _ in range(0, count, 25):
        await asyncio.gather(*(cut() for _ in range(min(25, count))))
    left = time.monotonic()
    while sum([(await _status(address)).running + (await _status(address)).waiting for address in addresses]):
        await asyncio.sleep(0.01)
        if time.monotonic() - left > 10:
            break
    seconds = time.monotonic() - left
    # The goal is 0.1 s. On a busy machine the status requests themselves take part of the bound.
    cluster.harness.report(
        "cluster",
        cluster.harness.stores[-1],
        f"{count} random cuts",
        f"all replicas idle after {seconds:.2f} s",
        good=seconds < 0.5,
    )


async def _kills(cluster: Cluster, server: RunningServer, kinds: Sequence[str]) -> None:
    """Replicas killed under load, and nodes."""
    harness = cluster.harness
    for kind in kinds:
        rounds = harness.count(40 if kind == "replica" else 10)
        streams: list[Stream] = []
        outage: list[Stream] = []
        for _ in range(rounds):
            addresses = await cluster.addresses(2)
            together = kind == "node" and len({address.node for address in addresses}) == 1
            tasks = [asyncio.create_task(_stream(server, 300)) for _ in range(cluster.num_streams)]
            await asyncio.sleep(random.uniform(0.3, 1.5))
            if kind == "replica":
                _signal([random.choice(cluster.replica_processes())], signal.SIGKILL)
            else:
                victim = random.choice(cluster.local.processes[1:])
                _kill_node(victim)
                local = cluster.local
                local.processes.remove(victim)
                await asyncio.to_thread(add_node, cluster.home, local, 2.0)
            (outage if together else streams).extend(await asyncio.gather(*tasks))
        if outage:
            failed = sum(not stream.finished or bool(stream.errors) for stream in outage)
            cluster.streams += outage
            title = "nodes killed while one of them had all replicas"
            harness.report(
                "cluster", harness.stores[-1], title, f"{len(outage)} streams, {failed} failed", good=not failed
            )
        if not streams:
            continue
        _report(cluster, f"{rounds} {kind} kills under {cluster.num_streams} streams", streams)


async def _freezes(cluster: Cluster, server: RunningServer, kinds: Sequence[str]) -> None:
    """A replica, then all of a node, stopped as in a partition."""
    for kind in kinds:
        await cluster.addresses(2)
        tasks = [asyncio.create_task(_stream(server, 600)) for _ in range(cluster.num_streams)]
        await asyncio.sleep(1)
        victim = cluster.local.processes[-1]
        frozen = [random.choice(cluster.replica_processes())] if kind == "replica" else _node_processes(victim)
        _signal(frozen, signal.SIGSTOP)
        streams = await asyncio.gather(*tasks)
        _signal(frozen, signal.SIGCONT)
        _report(cluster, f"a {kind} frozen under {cluster.num_streams} streams", streams, longest=_STALL + 2)
        if kind == "node":
            _kill_node(victim)
            local = cluster.local
            local.processes.remove(victim)
            await asyncio.to_thread(add_node, cluster.home, local, 2.0)


async def _scaling(cluster: Cluster, server: RunningServer) -> None:
    """More replicas, fewer, and an upgrade, under streams longer than the grace."""
    stop = asyncio.Event()
    streams: list[Stream] = []

    async def load() -> None:
        while not stop.is_set():
            streams.append(await _stream(server, 1200))

    tasks = [asyncio.create_task(load()) for _ in range(8)]
    for count in ("4", "1", "2"):
        await cluster.command("scale", MODEL, count)
        await cluster.addresses(int(count))
    settings = cluster.home.parent / "forefront.toml"
    settings.write_text(settings.read_text().replace("kv_cache_gib = 0.2", "kv_cache_gib = 0.25"))
    await cluster.command("up")
    await cluster.addresses(2)
    stop.set()
    await asyncio.gather(*tasks)
    failed = sum(not stream.finished or stream.errors for stream in streams)
    found = f"{len(streams)} streams, {failed} failed, {sum(stream.moves for stream in streams)} moves"
    cluster.streams += streams
    cluster.harness.report(
        "cluster", cluster.harness.stores[-1], "2, 4, 1, 2 replicas, then an upgrade", found, good=not failed
    )


async def _control_plane(cluster: Cluster, server: RunningServer) -> None:
    """Serve's controller killed, and the GCS frozen for a while: requests go on, and scaling works afterwards."""
    seconds = max(90 * cluster.harness.scale, 5.0)
    head = _node_processes(cluster.local.processes[0])
    gcs = [process for process in head if "/gcs_server" in _command(process)]
    _signal([process for process in head if "ray::ServeController" in _command(process)], signal.SIGKILL)
    _signal(gcs, signal.SIGSTOP)
    end, streams = time.monotonic() + seconds, list[Stream]()
    while time.monotonic() < end:
        streams += await asyncio.gather(*(_stream(server, 100) for _ in range(8)))
    _signal(gcs, signal.SIGCONT)
    await cluster.command("scale", MODEL, "3")
    await cluster.addresses(3)
    await cluster.command("scale", MODEL, "2")
    await cluster.addresses(2)
    failed = sum(not stream.finished or stream.errors for stream in streams)
    found = f"{len(streams)} streams, {failed} failed; scaled to 3 and 2 replicas afterwards"
    cluster.streams += streams
    alive = server.process.poll() is None
    title = f"controller killed, GCS away for {seconds:.0f} s"
    cluster.harness.report("cluster", cluster.harness.stores[-1], title, found, good=not failed and alive)


async def _two_servers(cluster: Cluster, server: RunningServer, second: RunningServer) -> None:
    """Two servers on one store, one killed: the clients of the other notice nothing."""
    tasks = [asyncio.create_task(_stream(server, 300)) for _ in range(16)]
    others = [asyncio.create_task(_stream(second, 300)) for _ in range(16)]
    await asyncio.sleep(0.5)
    second.process.kill()
    streams = await asyncio.gather(*tasks)
    await asyncio.gather(*others)
    failed = sum(not stream.finished or stream.errors or stream.moves for stream in streams)
    cluster.streams += streams
    found = f"{failed} of {len(streams)} streams of the other server changed"
    cluster.harness.report("cluster", cluster.harness.stores[-1], "one of two servers killed", found, good=not failed)


async def _ledger(cluster: Cluster) -> None:
    """One row for each stream, with its tokens."""
    await asyncio.sleep(1)
    audit = await asyncio.to_thread(audit_ledger, cluster.store)
    seen = {stream.completion: stream.tokens for stream in cluster.streams if stream.finished and stream.completion}
    missing = audit.missing(seen)
    found = f"{len(seen)} whole streams, {missing} without their row; "
    found += f"days {'equal' if audit.days_agree else 'DIFFER FROM'} rows"
    cluster.harness.report(
        "cluster", cluster.harness.stores[-1], "the ledger", found, good=not missing and audit.days_agree
    )


def _report(cluster: Cluster, done: str, streams: Sequence[Stream], longest: float | None = None) -> None:
    cluster.streams += streams
    whole = sum(stream.finished and not stream.errors for stream in streams)
    one_error = sum(stream.errors == 1 and not stream.finished for stream in streams)
    moved = [stream for stream in streams if stream.moves or stream.errors]
    kept = sum(stream.finished for stream in moved)
    pause, usual = _p99(moved), _p99([stream for stream in streams if stream not in moved])
    found = f"{whole} of {len(streams)} whole, {one_error} with one error; {kept} of {len(moved)} affected moved; "
    found += f"pause p99 {pause:.1f} s, of the others {usual:.1f} s"
    # On a busy machine all streams have pauses.
    limit = max(3.0 if longest is None else longest, 3 * usual)
    good = whole + one_error == len(streams) and kept >= 0.99 * len(moved) and bool(moved) and pause <= limit
    cluster.harness.report("cluster", cluster.harness.stores[-1], done, found, good=good)


def _p99(streams: Sequence[Stream]) -> float:
    pauses = sorted(stream.longest_pause for stream in streams)
    return pauses[int(0.99 * (len(pauses) - 1))] if pauses else 0.0


async def _stream(server: RunningServer, tokens: int) -> Stream:
    """Read one stream to its end."""
    stream = Stream()
    client = Client(server.url, KEY)
    last: float | None = None
    with suppress(OSError, EOFError, ValueError):
        reader = await client.begin("POST", "/v1/chat/completions", _body(tokens))
        while line := await reader.readline():
            now = time.monotonic()
            if line.startswith(b"data: {"):
                chunk = json.loads(line[6:])
                stream.errors += "error" in chunk
                stream.completion = chunk.get("id", stream.completion)
                stream.tokens = (chunk.get("usage") or {}).get("completion_tokens", stream.tokens)
                stream.moves = (chunk.get("receipt") or {}).get("moves") or stream.moves
                for choice in chunk.get("choices", ()):
                    stream.finished |= choice.get("finish_reason") is not None
                    stream.longest_pause = max(stream.longest_pause, now - (last or now))
                # The wait for the first token is no pause.
                last = now if chunk.get("choices") else last
            elif line.startswith(b"data: [DONE]"):
                break
    client.abort()
    return stream


def _body(tokens: int) -> bytes:
    fields: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": f"Tell story {random.random()}"}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return json.dumps(fields).encode()


async def _status(address: ReplicaAddress) -> Status:
    """A replica's own heartbeat."""
    identity = address.identity
    reader, writer = await asyncio.open_connection(identity.host, identity.port)
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            message = msgspec.msgpack.decode(await reader.readexactly(size), type=FromReplica)
            match message:
                case Challenge(nonce=nonce):
                    answer = Hello(proof(bytes.fromhex(identity.secret), b"server", nonce), new_nonce())
                    data = msgspec.msgpack.encode(answer)
                    writer.write(len(data).to_bytes(4, "big") + data)
                case Welcome():
                    pass
                case Status():
                    return message
    finally:
        writer.transport.abort()


def _node_processes(node: int) -> list[int]:
    return [node, *descendants(node)]


def _kill_node(node: int) -> None:
    """End a node as a power failure does: all of its processes at once."""
    _signal(_node_processes(node), signal.SIGKILL)


def _signal(processes: Sequence[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
