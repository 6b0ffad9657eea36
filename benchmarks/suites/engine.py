"""The engine against a bare loop over the model: the cost of scheduling, sampling and delivery."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.report import table
from forefront.engine.engine import Engine
from forefront.engine.model.model import PagedModel
from forefront.engine.model.step_inputs import SequenceInput
from forefront.engine.request import GenerateRequest, SamplingParams

PROMPT = 60


def prompts(streams: int) -> list[list[int]]:
    """Prompts without a common prefix."""
    return [[random.randrange(300, 30_000) for _ in range(PROMPT)] for _ in range(streams)]


def bare(model: PagedModel, streams: int, tokens: int) -> float:
    """Greedy decoding in a plain loop over `PagedModel.run`; tokens per second after the prompts."""
    per_stream = -(-(PROMPT + tokens) // model.block_size)
    block_tables = [list(range(i * per_stream, (i + 1) * per_stream)) for i in range(streams)]
    last = []
    for block_table, prompt in zip(block_tables, prompts(streams), strict=True):
        logits = model.run([SequenceInput(0, prompt, block_table)], [PROMPT - 1], [1.0])
        last.append(int(logits.top_tokens[0, 0]))
    rows, temperatures = list(range(streams)), [1.0] * streams
    start = time.perf_counter()
    for step in range(tokens):
        inputs = [
            SequenceInput(PROMPT + step, [token], block_table)
            for token, block_table in zip(last, block_tables, strict=True)
        ]
        last = model.run(inputs, rows, temperatures).top_tokens[:, 0].tolist()
    return streams * tokens / (time.perf_counter() - start)


async def through_engine(engine: Engine, streams: int, tokens: int, sampling: SamplingParams) -> float:
    """The same with the engine; tokens per second while all streams run."""
    arrivals: list[list[float]] = [[] for _ in range(streams)]

    async def stream(index: int, prompt: list[int]) -> None:
        async for batch in engine.submit(GenerateRequest(prompt, tokens + 1, sampling)):
            arrivals[index] += [time.perf_counter()] * len(batch)

    await asyncio.gather(*(stream(index, prompt) for index, prompt in enumerate(prompts(streams))))
    start = max(times[0] for times in arrivals)
    end = min(times[-1] for times in arrivals)
    return sum(sum(1 for at in times if start < at <= end) for times in arrivals) / (end - start)


@asynccontextmanager
async def running(model: PagedModel) -> AsyncIterator[Engine]:
    """An engine that runs while the context is open."""
    engine = Engine(model)
    engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def measure(model: PagedModel, streams: int, tokens: int, repeats: int) -> dict[str, float]:
    """Medians of `repeats` rounds. Each round measures all three ways, so that noise affects them alike."""

    async def engine_round() -> tuple[float, float]:
        async with running(model) as engine:
            greedy = await through_engine(engine, streams, tokens, SamplingParams(temperature=0))
            return greedy, await through_engine(engine, streams, tokens, SamplingParams(temperature=1, top_p=0.95))

    bare(model, streams, 4)
    rounds = [(bare(model, streams, tokens), *asyncio.run(engine_round())) for _ in range(repeats)]
    names = ("bare", "greedy", "sampled")
    return {name: statistics.median(values) for name, values in zip(names, zip(*rounds, strict=True), strict=True)}


def run(model: PagedModel, tokens: int, repeats: int) -> None:
    """Print the table."""
    rows = []
    for streams in (1, 8, 32):
        figures = measure(model, streams, tokens, repeats)
        greedy, sampled = figures["greedy"] / figures["bare"], figures["sampled"] / figures["bare"]
        rows.append([streams, *(f"{figures[name]:.0f}" for name in figures), greedy, sampled])
    head = ["streams", "bare loop t/s", "engine, greedy t/s", "engine, top_p 0.95 t/s", "greedy ÷ bare", "top_p ÷ bare"]
    table("Decoding: engine against the bare runtime loop", head, rows)
