"""The scheduler on a model of real size: times to first tokens, between tokens, and throughput, without HTTP.

Prompts share nothing. Loads: streams that only decode; 32 streams that start at once, with prompts of 270 tokens (200
words) or of 2,000; and 8 streams that decode while prompts of 2,000 tokens arrive, and short ones between them.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from benchmarks.report import table
from benchmarks.suites.engine import running
from forefront.engine.engine import Engine
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams

_GREEDY: Final = SamplingParams(temperature=0)
_WORDS_200: Final = 270
_LONG: Final = 2000
_OUTPUT: Final = 96
Figures = dict[str, float]


@dataclass
class Stream:
    """Seconds from the request to its first token, and between tokens."""

    first: float = 0.0
    gaps: list[float] = field(default_factory=list)


def quantile(values: Sequence[float], part: float) -> float:
    """A quantile of measured values."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


async def generate(engine: Engine, length: int, tokens: int, stream: Stream | None = None) -> Stream:
    """One request with a random prompt. Its times are added to `stream`."""
    stream = stream or Stream()
    prompt = [random.randrange(300, 30_000) for _ in range(length)]
    last = time.perf_counter()
    generation = engine.submit(GenerateRequest(prompt, tokens, _GREEDY))
    try:
        async for batch in generation:
            now = time.perf_counter()
            if stream.first:
                stream.gaps += [now - last] + [0.0] * (len(batch) - 1)
            else:
                stream.first = now - last
            last = now
    finally:
        generation.cancel()
    return stream


async def decodes(engine: Engine, streams: int) -> Figures:
    """Tokens per second after the prompts."""
    done = await asyncio.gather(*(generate(engine, 60, _OUTPUT) for _ in range(streams)))
    return {"tokens/s": streams / statistics.median(gap for stream in done for gap in stream.gaps)}


async def burst(engine: Engine, length: int, streams: int = 32) -> Figures:
    """All streams start at once."""
    begin = time.perf_counter()
    done = await asyncio.gather(*(generate(engine, length, _OUTPUT) for _ in range(streams)))
    seconds = time.perf_counter() - begin
    firsts, gaps = [stream.first for stream in done], [gap for stream in done for gap in stream.gaps]
    return {
        "first token, median s": quantile(firsts, 0.5),
        "first token, p99 s": quantile(firsts, 0.99),
        "between tokens, p95 s": quantile(gaps, 0.95),
        "all tokens/s": streams * (length + _OUTPUT) / seconds,
    }


async def beside_prompts(engine: Engine, streams: int = 8, prompts: int = 6) -> Figures:
    """Streams decode while long prompts and short ones arrive, one of each at a time."""
    decoding = [Stream() for _ in range(streams)]
    tasks: list[asyncio.Task[Stream] | asyncio.Task[None]] = []
    tasks += [asyncio.create_task(generate(engine, 60, 4000, stream)) for stream in decoding]
    while not all(stream.gaps for stream in decoding):
        await asyncio.sleep(0.01)
    known = [len(stream.gaps) for stream in decoding]
    short: list[Stream] = []

    async def send_short() -> None:
        while True:
            short.append(await generate(engine, 20, 2))
            await asyncio.sleep(0.2)

    tasks.append(asyncio.create_task(send_short()))
    begin = time.perf_counter()
    long = [await generate(engine, _LONG, 2) for _ in range(prompts)]
    seconds = time.perf_counter() - begin
    gaps = [gap for stream, count in zip(decoding, known, strict=True) for gap in stream.gaps[count:]]
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return {
        "between tokens, p95 s": quantile(gaps, 0.95),
        "between tokens, p99 s": quantile(gaps, 0.99),
        "first token of 2,000, s": quantile([stream.first for stream in long], 0.5),
        "first token of 20, s": quantile([stream.first for stream in short], 0.5),
        "prompt tokens/s": prompts * _LONG / seconds,
    }


async def measure(model: PagedModel, *, long: bool = True) -> dict[str, Figures]:
    """One round. `long`: with the burst of long prompts, which takes longest."""
    figures: dict[str, Figures] = {}
    async with running(model) as engine:
        for streams in (1, 8, 32):
            figures[f"{streams} decoding"] = await decodes(engine, streams)
        figures["32 at once, 200 words"] = await burst(engine, _WORDS_200)
        figures["8 decoding, 2,000-token prompts"] = await beside_prompts(engine)
        if long:
            figures["32 at once, 2,000 tokens"] = await burst(engine, _LONG)
    return figures


def run(model: PagedModel, repeats: int) -> None:
    """Print medians of the rounds."""
    rounds = [asyncio.run(measure(model)) for _ in range(repeats)]
    rows = [
        [load, name, f"{statistics.median(figures[load][name] for figures in rounds):.3g}"]
        for load, names in rounds[0].items()
        for name in names
    ]
    table("Scheduling", ["load", "figure", "median"], rows)
