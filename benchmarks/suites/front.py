"""Whether one process for HTTP is enough: the share of a core that the event loop takes while a model answers, and how
much it can do when answers take no time."""

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.models import FOLDER
from benchmarks.peers.forefront_server import run_forefront
from benchmarks.peers.peer import Peer
from benchmarks.report import table
from benchmarks.suites.gateway import make_key, measure
from benchmarks.workloads.closed_loop import ClosedLoop
from benchmarks.workloads.workload import measure_text_size
from tests.support.backends.instant import MODEL, Nursery

_STREAMS: Final = (1, 8, 32)
_PROMPT: Final = 64
_CLIENTS: Final = 32
_SECONDS: Final = 3.0
_TOKENS: Final = 64


def run(path: Path, tokens: int, repeats: int) -> None:
    """Print the tables. `path`: the model. `tokens`: of each answer."""
    with run_forefront(path, threads=0, log=FOLDER / "front.log") as peer:
        size = asyncio.run(measure_text_size(peer))
        rows: list[list[object]] = []
        for streams in _STREAMS:
            rounds = [_round(peer, ClosedLoop(streams, _PROMPT, tokens), size, seed) for seed in range(repeats)]
            rate, loop, whole = (statistics.median(column) for column in zip(*rounds, strict=True))
            rows.append(
                [streams, f"{rate:.0f}", f"{100 * loop:.1f} %", f"{100 * loop / whole:.1f} %", f"{rate / loop:.0f}"]
            )
    head = ["streams", "tokens/s", "event loop, of a core", "of the server's processor time", "tokens/s of a full loop"]
    table(f"The event loop while {path.stem} answers, {tokens} tokens each", head, rows)
    rate, tokens_rate = asyncio.run(_instant_rates(repeats))
    head = ["requests/s, 1 token", f"tokens/s, streams of {_TOKENS}"]
    table(
        f"The same process with answers that take no time, {_CLIENTS} clients",
        head,
        [[f"{rate:.0f}", f"{tokens_rate:.0f}"]],
    )


def _round(peer: Peer, load: ClosedLoop, size: Any, seed: int) -> tuple[float, float, float]:
    """Tokens per second, and the cores that the event loop and the whole process used."""
    begin, before = time.perf_counter(), _processor(peer.pid)
    figures = asyncio.run(load.round(peer, size, seed))
    seconds, after = time.perf_counter() - begin, _processor(peer.pid)
    return figures["throughput"], (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds


async def _instant_rates(repeats: int) -> tuple[float, float]:
    """Requests per second of single tokens, and tokens per second of streams."""
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as folder:
        store = f"sqlite:///{Path(folder) / 'forefront.db'}"
        key = make_key(store)
        rates: dict[bool, list[float]] = {False: [], True: []}
        with Nursery().serve(store, Path(folder) / "log") as server:
            for _ in range(repeats):
                for streamed in rates:
                    fields = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "stream": streamed}
                    body = json.dumps(fields | {"max_tokens": _TOKENS if streamed else 1}).encode()
                    rates[streamed].append((await measure(server.url, [key] * _CLIENTS, body, _SECONDS)).rate)
    return statistics.median(rates[False]), _TOKENS * statistics.median(rates[True])


def _processor(pid: int) -> tuple[float, float]:
    """Seconds of processor time so far: of the main thread, which runs the event loop, and of all threads."""
    seconds = {thread.parent.name: _seconds(thread) for thread in Path(f"/proc/{pid}/task").glob("*/schedstat")}
    return seconds[str(pid)], sum(seconds.values())


def _seconds(schedstat: Path) -> float:
    try:
        return int(schedstat.read_text().split()[0]) / 1e9
    except OSError:  # the thread has ended
        return 0.0
