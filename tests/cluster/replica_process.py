"""A replica as a child process without Ray.

    python -m tests.cluster.replica_process SPEC SECONDS

It prints its identity, and ends when standard input is closed. A line `drain` on standard input drains it, after which
it ends. With SECONDS above 0 each step takes at least that long and samples one token of each sequence, so that an
answer is still running for a known time.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import msgspec
import uvloop

from forefront.chat.local import loading
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.cluster.replica.running_replica import RunningReplica
from forefront.engine.model.model import PagedModel


async def run(spec: ReplicaSpec) -> None:
    replica = RunningReplica(spec)
    await replica.start("127.0.0.1")
    sys.stdout.write(msgspec.json.encode(replica.identity).decode() + "\n")
    sys.stdout.flush()
    line = await asyncio.to_thread(sys.stdin.readline)
    if line.strip() == "drain":
        await replica.drain()
    await replica.stop()


def slow_down(seconds: float) -> None:
    """Lengthen each step to `seconds` at least, without drafts."""
    run_step: Callable[..., Any] = PagedModel.run

    def run(*arguments: Any) -> Any:
        time.sleep(seconds)
        return run_step(*arguments)

    mock.patch.object(PagedModel, "run", run).start()
    mock.patch.object(loading, "create_drafter", return_value=None).start()


if __name__ == "__main__":
    if float(sys.argv[2]) > 0:
        slow_down(float(sys.argv[2]))
    uvloop.run(run(msgspec.json.decode(sys.argv[1], type=ReplicaSpec)))
