"""The cost of heartbeats between servers and replicas that do nothing else.

    python -m benchmarks.cluster_heartbeats

The other side is a child process. Both sides use loopback; a packet of a network is counted with 66 bytes of headers.
"""

import asyncio
import sys
import time
from typing import Final

import msgspec
import uvloop

from benchmarks.cluster_streams import MODEL, start_replica
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.remote_engine import RemoteEngine
from forefront.cluster.protocol.frames import Heartbeat, Status
from forefront.cluster.protocol.replica_identity import ReplicaAddress, ReplicaIdentity

_SECONDS: Final = 20.0
_HEADERS: Final = 66
_REPLICAS: Final = (100, 1000)
_SERVERS: Final = (10, 100)


async def _replicas(count: int) -> None:
    """The child: so many replicas. It prints its processor time for each line of input."""
    identities = [await start_replica() for _ in range(count)]
    print(msgspec.json.encode(identities).decode(), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(time.process_time(), flush=True)


async def _measure(servers: int, replicas: int) -> tuple[float, float]:
    """The processor time of all servers, which are in this process, and of all replicas, per second."""
    command = [sys.executable, "-m", "benchmarks.cluster_heartbeats", str(replicas)]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**26)
    assert child.stdout is not None
    assert child.stdin is not None
    identities = msgspec.json.decode(await child.stdout.readline(), type=list[ReplicaIdentity])
    addresses = [ReplicaAddress(str(number), "", identity) for number, identity in enumerate(identities)]
    engines = [RemoteEngine(MODEL, RemoteLimits(stall_seconds=30.0)) for _ in range(servers)]
    for engine in engines:
        engine.start()
        engine.set_replicas(addresses)
    while sum(len(engine.replicas()) for engine in engines) < servers * replicas:
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)

    async def spent() -> tuple[float, float, float]:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"\n")
        return time.perf_counter(), time.process_time(), float(await child.stdout.readline())

    begin = await spent()
    await asyncio.sleep(_SECONDS)
    end = await spent()
    for engine in engines:
        await engine.stop()
    child.stdin.close()
    await child.wait()
    wall = end[0] - begin[0]
    return (end[1] - begin[1]) / wall, (end[2] - begin[2]) / wall


async def _run() -> None:
    idle = Status(0, 0, 256, 0, 0, 20_000, 1234.5, 10**9, 10**9, 10**9)
    sizes = [4 + len(msgspec.msgpack.encode(message)) for message in (Heartbeat(), idle)]
    print(f"bytes of a heartbeat: {sizes[0]} of a server, {sizes[1]} of a replica, and {_HEADERS} of headers each")
    print("| servers | replicas | processor of a server | processor of a replica |\n|---|---|---|---|")
    for replicas in _REPLICAS:
        await _print(1, replicas)
    for servers in _SERVERS:
        await _print(servers, 1)


async def _print(servers: int, replicas: int) -> None:
    server, replica = await _measure(servers, replicas)
    print(f"| {servers} | {replicas} | {100 * server / servers:.2f} % | {100 * replica / replicas:.3f} % |", flush=True)


if __name__ == "__main__":
    uvloop.run(_replicas(int(sys.argv[1])) if len(sys.argv) > 1 else _run())
