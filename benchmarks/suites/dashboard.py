"""The cost of an open dashboard, with 50 streams whose answers take no time.

The requests are those of the page, at its intervals; the browser itself would compete with the server on one machine.
The ratio is of the server's processor time per token, which other programs on the machine change little.
"""

import asyncio
import operator
import os
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.load.stream import stream
from benchmarks.report import table
from forefront.cli.settings.sections import Config
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery

_STREAMS = 50
_SECONDS = 15.0
_TOKENS = 400
# Paths that the page requests, and their intervals in seconds.
_POLLS = {"/admin/status": 3, "/admin/history?range=hour&by=key": 5, "/admin/keys": 30, "/admin/projects": 30}


def run(repeats: int) -> None:
    """Print the table."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    costs: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as folder:
        store, log = f"sqlite:///{Path(folder) / 'forefront.db'}", Path(folder) / "log"
        with Nursery().serve(store, log, settings=Config()) as server:
            keys = _make_keys(server)
            for number in range(repeats + 1):
                for polled in (False, True):
                    begin, used = time.perf_counter(), _processor_seconds(server)
                    tokens = asyncio.run(_load(server, keys, polled=polled))
                    if number:  # the first warms up
                        rates[polled].append(tokens / (time.perf_counter() - begin))
                        costs[polled].append((_processor_seconds(server) - used) / tokens * 1e6)
            poll = _poll_seconds(server)
    names = {False: "closed", True: "open"}
    rows = [
        [
            names[polled],
            f"{statistics.median(rates[polled]):.0f}",
            f"{statistics.median(costs[polled]):.1f}",
            f"{statistics.median(map(operator.truediv, costs[polled], costs[False])):.3f}",
        ]
        for polled in (False, True)
    ]
    table(
        f"{_STREAMS} streams and the dashboard", ["dashboard", "tokens/s", "processor µs per token", "÷ closed"], rows
    )
    print(f"One request of the history of {_STREAMS} keys takes {poll * 1000:.1f} ms.")


def _make_keys(server: Instant) -> list[str]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=server.url, headers=headers) as admin:
        return [admin.post("/admin/keys", json={"name": f"key {n}"}).json()["key"] for n in range(_STREAMS)]


async def _load(server: Instant, keys: list[str], *, polled: bool) -> int:
    """Run the streams. Returns the number of their tokens."""
    deadline, tokens = time.perf_counter() + _SECONDS, 0
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": _TOKENS}

    async def client(key: str) -> None:
        nonlocal tokens
        while time.perf_counter() < deadline:
            await stream(server.url, key, fields)
            tokens += _TOKENS

    async with httpx.AsyncClient(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as admin:
        polls = [asyncio.create_task(_poll(admin, *poll)) for poll in _POLLS.items()] if polled else []
        await asyncio.gather(*map(client, keys))
        for poll in polls:
            poll.cancel()
    return tokens


async def _poll(admin: httpx.AsyncClient, path: str, seconds: float) -> None:
    while True:
        (await admin.get(path)).raise_for_status()
        await asyncio.sleep(seconds)


def _poll_seconds(server: Instant) -> float:
    """The median time of one request of the history, of an idle server."""
    times = []
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}) as admin:
        for _ in range(11):
            begin = time.perf_counter()
            admin.get("/admin/history?range=hour&by=key").raise_for_status()
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _processor_seconds(server: Instant) -> float:
    """The processor time of the server so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
