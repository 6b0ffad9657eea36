"""A replica as a child process without Ray.

    python -m tests.cluster.replica_process SPEC     prints its identity, and ends when standard input is closed

A line `drain` on standard input drains it, after which it ends.
"""

import asyncio
import sys

import msgspec
import uvloop

from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.cluster.replica.running_replica import RunningReplica


async def run(spec: ReplicaSpec) -> None:
    replica = RunningReplica(spec)
    await replica.start("127.0.0.1")
    sys.stdout.write(msgspec.json.encode(replica.identity).decode() + "\n")
    sys.stdout.flush()
    line = await asyncio.to_thread(sys.stdin.readline)
    if line.strip() == "drain":
        await replica.drain()
    await replica.stop()


if __name__ == "__main__":
    uvloop.run(run(msgspec.json.decode(sys.argv[1], type=ReplicaSpec)))
