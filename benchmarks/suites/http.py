"""The server over HTTP: against the engine alone, time to first token under load, memory, start-up."""

import asyncio
import random
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.load.stream import rate, stream
from benchmarks.models import FOLDER
from benchmarks.report import table
from benchmarks.suites import engine as engine_bench
from forefront.engine.model.model import PagedModel
from forefront.engine.request import SamplingParams
from tests.support.server import RunningServer, run_server


def request(name: str, words: int, tokens: int) -> dict[str, Any]:
    """A unique prompt of about `words` tokens, and a greedy answer of exactly `tokens` tokens."""
    content = " ".join(str(random.randrange(10)) for _ in range(words // 2))
    # The bias excludes the end token, so that all answers have the same length.
    fields = {"model": name, "messages": [{"role": "user", "content": content}], "max_tokens": tokens}
    return fields | {"temperature": 0, "logit_bias": {"2": -100}}


def throughput(server: RunningServer, name: str, streams: int, tokens: int) -> float:
    """Tokens per second over HTTP, streamed."""

    async def together() -> float:
        jobs = (stream(server.url, server.key, request(name, 20, tokens)) for _ in range(streams))
        return rate(list(await asyncio.gather(*jobs)))

    return asyncio.run(together())


def first_token(server: RunningServer, name: str, *, long: bool) -> float:
    """Time to first token of a short prompt, in seconds, while 16 streams decode and, if `long`, a prompt of 2,000
    tokens has just arrived."""

    async def scene() -> float:
        decoding = [asyncio.create_task(stream(server.url, server.key, request(name, 20, 120))) for _ in range(16)]
        await asyncio.sleep(1.5)
        if long:
            decoding.append(asyncio.create_task(stream(server.url, server.key, request(name, 2000, 1))))
            await asyncio.sleep(0.02)
        short = await stream(server.url, server.key, request(name, 20, 4))
        await asyncio.gather(*decoding)
        return short.first_token

    return asyncio.run(scene())


def peak_memory(pid: int) -> float:
    """The process's largest resident size so far, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


def start_up(path: Path, home: Path) -> float:
    """Seconds from the command to the first token of an answer."""
    begin = time.perf_counter()
    with run_server([str(path)], home) as server:
        asyncio.run(stream(server.url, server.key, request(path.stem, 20, 1)))
        return time.perf_counter() - begin


def run(path: Path, model: PagedModel, tokens: int, repeats: int) -> None:
    """Print the tables. `model` is the same model in this process, for the engine alone."""
    name = path.stem
    with run_server([str(path)], FOLDER / "home") as server:
        throughput(server, name, 8, 8)
        rows = []
        for streams in (1, 8, 32):
            rounds = []
            for _ in range(repeats):
                over_http = throughput(server, name, streams, tokens)
                alone = asyncio.run(_engine_alone(model, streams, tokens))
                rounds.append((alone, over_http))
            alone, over_http = (statistics.median(values) for values in zip(*rounds, strict=True))
            rows.append([streams, f"{alone:.0f}", f"{over_http:.0f}", over_http / alone])
        head = ["streams", "engine alone t/s", "over HTTP, streamed t/s", "HTTP ÷ engine"]
        table("Streaming over HTTP against the engine alone", head, rows)

        quiet, busy = [], []
        for _ in range(repeats):
            quiet.append(first_token(server, name, long=False))
            busy.append(first_token(server, name, long=True))
        without, beside = statistics.median(quiet) * 1000, statistics.median(busy) * 1000
        table(
            "Time to first token of a short prompt, 16 streams decoding",
            ["alone ms", "beside a 2,000-token prompt ms", "ratio"],
            [[f"{without:.0f}", f"{beside:.0f}", beside / without]],
        )
        memory = peak_memory(server.process.pid)
    warm = statistics.median(start_up(path, FOLDER / "home") for _ in range(repeats))
    cold_home = Path(tempfile.mkdtemp(prefix="forefront-cold-"))
    try:
        cold = start_up(path, cold_home / "home")
    finally:
        shutil.rmtree(cold_home)
    size = path.stat().st_size / 2**20
    table(
        "Memory and start-up",
        ["model file MiB", "peak memory MiB", "÷ file", "start to first token s", "the first time, with preparation s"],
        [[f"{size:.0f}", f"{memory:.0f}", memory / size, warm, cold]],
    )


async def _engine_alone(model: PagedModel, streams: int, tokens: int) -> float:
    async with engine_bench.running(model) as engine:
        # The same bias as over HTTP, so that both do the same sampling work.
        sampling = SamplingParams(temperature=0, logit_bias={2: -100.0})
        return await engine_bench.through_engine(engine, streams, tokens, sampling)
