"""Faults: clients that leave, replicas and nodes that are killed or stopped, a server that is killed."""

import asyncio
import json
import math
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from forefront.cluster.protocol.replica_identity import ReplicaAddress
from tests.support.server import KEY, RunningServer
from torture.client import CHAT, Client
from torture.cluster.environment import STALL, Cluster, kill_node, node_processes, replica_status, send_signal
from torture.cluster.streams import Stream, pause_p99, read_stream, story


async def cuts(cluster: Cluster, server: RunningServer) -> None:
    """Clients that leave at random moments: the replicas stop their work."""
    count = cluster.harness.count(500)
    addresses = await cluster.ready(server)

    async def cut() -> None:
        client = Client(server.url, KEY)
        reader = await client.begin("POST", CHAT, json.dumps(story(2000)).encode())
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0.0, 0.5)):
                while await reader.read(4096):
                    pass
        client.abort()

    for _ in range(0, count, 25):
        await asyncio.gather(*(cut() for _ in range(min(25, count))))
    left = time.monotonic()
    seconds = await idle_seconds(addresses, left)
    # The goal is 0.1 s. On a busy machine the status requests themselves take part of the bound.
    limit = 0.5 if cluster.timed else math.inf
    cluster.report(f"{count} random cuts", f"all replicas idle after {seconds:.2f} s", good=seconds < limit)


async def idle_seconds(addresses: Sequence[ReplicaAddress], since: float) -> float:
    """Seconds from `since` until no replica has work; infinite after ten."""
    while time.monotonic() - since < 10:
        states = await asyncio.gather(*map(replica_status, addresses))
        if not any(state.running or state.waiting for state in states):
            return time.monotonic() - since
        await asyncio.sleep(0.01)
    return math.inf


async def kills(cluster: Cluster, server: RunningServer, kinds: Sequence[str]) -> None:
    """Replicas killed under load, and nodes."""
    harness = cluster.harness
    for kind in kinds:
        rounds = harness.count(40 if kind == "replica" else 10)
        streams: list[Stream] = []
        outage: list[Stream] = []
        for _ in range(rounds):
            addresses = await cluster.ready(server)
            together = kind == "node" and len({address.node for address in addresses}) == 1
            tasks = [asyncio.create_task(read_stream(server, story(300))) for _ in range(cluster.num_streams)]
            await asyncio.sleep(random.uniform(0.3, 1.5))
            if kind == "replica":
                send_signal([random.choice(cluster.replica_processes())], signal.SIGKILL)
            else:
                victim = random.choice(cluster.local.processes[1:])
                kill_node(victim)
                await cluster.replace_node(victim)
            (outage if together else streams).extend(await asyncio.gather(*tasks))
        if outage:
            report_outage(cluster, "nodes killed while one of them had all replicas", outage)
        if not streams:
            continue
        report_moves(cluster, f"{rounds} {kind} kills under {cluster.num_streams} streams", streams)


async def freezes(cluster: Cluster, server: RunningServer, kinds: Sequence[str]) -> None:
    """A replica, then all of a node, stopped as in a partition."""
    for kind in kinds:
        addresses = await cluster.ready(server)
        together = kind == "node" and len({address.node for address in addresses}) == 1
        tasks = [asyncio.create_task(read_stream(server, story(600))) for _ in range(cluster.num_streams)]
        await asyncio.sleep(1)
        victim = cluster.local.processes[-1]
        frozen = [random.choice(cluster.replica_processes())] if kind == "replica" else node_processes(victim)
        send_signal(frozen, signal.SIGSTOP)
        streams = await asyncio.gather(*tasks)
        send_signal(frozen, signal.SIGCONT)
        if together:
            report_outage(cluster, "a node frozen while one node had all replicas", streams)
        else:
            report_moves(cluster, f"a {kind} frozen under {cluster.num_streams} streams", streams, longest=STALL + 2)
        if kind == "node":
            kill_node(victim)
            await cluster.replace_node(victim)
        else:
            # Serve would replace it at some later time.
            send_signal(frozen, signal.SIGKILL)


async def two_servers(cluster: Cluster, server: RunningServer, second: RunningServer) -> None:
    """Two servers on one store, one killed: the clients of the other notice nothing."""
    addresses = await cluster.ready(server)
    await cluster.ready(second)
    tasks = [asyncio.create_task(read_stream(server, story(300))) for _ in range(16)]
    others = [asyncio.create_task(read_stream(second, story(300))) for _ in range(16)]
    await asyncio.sleep(0.5)
    second.process.kill()
    streams = await asyncio.gather(*tasks)
    await asyncio.gather(*others)
    failed = sum(not stream.whole or (cluster.timed and bool(stream.moves)) for stream in streams)
    cluster.streams += streams
    idle = await idle_seconds(addresses, time.monotonic())
    found = f"{failed} of {len(streams)} streams of the other server changed; replicas idle after {idle:.2f} s"
    cluster.report("one of two servers killed", found, good=not failed and math.isfinite(idle))


def report_outage(cluster: Cluster, done: str, streams: Sequence[Stream]) -> None:
    """Report streams that had to wait for a new replica, as none was left."""
    cluster.streams += streams
    failed = sum(not stream.whole for stream in streams)
    cluster.report(done, f"{len(streams)} streams, {failed} failed", good=not failed)


def report_moves(cluster: Cluster, done: str, streams: Sequence[Stream], longest: float | None = None) -> None:
    """Report what became of the streams under a fault, and their pauses: at most `longest` seconds."""
    cluster.streams += streams
    whole = sum(stream.whole for stream in streams)
    one_error = sum(stream.errors == 1 and not stream.finished for stream in streams)
    moved = [stream for stream in streams if stream.moves or stream.errors]
    kept = sum(stream.finished for stream in moved)
    pause, usual = pause_p99(moved), pause_p99([stream for stream in streams if stream not in moved])
    found = f"{whole} of {len(streams)} whole, {one_error} with one error; {kept} of {len(moved)} affected moved; "
    found += f"pause p99 {pause:.1f} s, of the others {usual:.1f} s"
    good = whole + one_error == len(streams) and kept >= 0.99 * len(moved)
    if cluster.timed:
        # On a busy machine all streams have pauses.
        good = good and bool(moved) and pause <= max(3.0 if longest is None else longest, 3 * usual)
    cluster.report(done, found, good=good)
