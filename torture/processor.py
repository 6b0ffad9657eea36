"""Processor time: what a process and its children have used, and processes that use as much without a server."""

import asyncio
import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# One that counts for a share of each 10 ms.
_BURN = """
import sys, time
share = float(sys.argv[1])
while True:
    end = time.perf_counter() + share / 100
    while time.perf_counter() < end:
        pass
    time.sleep((1 - share) / 100)
"""


def processor_seconds(pid: int) -> float:
    """The processor time of a process and its children so far, those that have ended included."""
    ticks = 0
    for process in (pid, *children(pid)):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])  # of the process and of ended children, user and system
    return ticks / _TICKS


def children(pid: int) -> list[int]:
    """The living children of a process; none if it has ended."""
    found = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            found += [int(child) for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    return found


@asynccontextmanager
async def burning(processors: float) -> AsyncIterator[None]:
    """While the context is open, unrelated processes use the time of so many processors."""
    count = max(math.ceil(processors), 1)
    command = [sys.executable, "-c", _BURN, str(min(processors / count, 1.0))]
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            await process.wait()
