"""Measure the service times of the engine with the built-in model: `python -m simulation.measure`."""

import asyncio
import os
import platform
import random
import statistics
import subprocess
import sys
import time

import numpy as np

from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.model_cache import ModelCache, default_home
from forefront.catalog.sources.source import BUILT_IN_NAME, built_in
from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.scheduler import SchedulerLimits
from simulation.service_times import ServiceTimes

LENGTHS = (64, 256, 512, 1024)
STREAMS = (1, 32)
REPEATS = 7
STEPS = 60
FIRST_TOKEN = "--first-token"  # noqa: S105


def load_model() -> ModelParts:
    """The built-in model."""
    parts, _ = GgufModel(built_in(), ModelCache(default_home()), exact=False).load()
    assert isinstance(parts, ModelParts)
    return parts


async def arrivals(engine: Engine, length: int, tokens: int) -> list[float]:
    """When the tokens of a request with a new prompt arrive, in seconds after its start."""
    prompt = [random.randrange(300, 2000) for _ in range(length)]
    start = time.perf_counter()
    times: list[float] = []
    async for arrived in engine.submit(GenerateRequest(prompt, tokens, SamplingParams(temperature=0))):
        times += [time.perf_counter() - start] * len(arrived)
    return times


async def step_seconds(engine: Engine, streams: int) -> float:
    """The mean time between two tokens of as many streams."""
    times = await asyncio.gather(*(arrivals(engine, 32, STEPS) for _ in range(streams)))
    start, end = max(one[0] for one in times), min(one[-1] for one in times)
    return (end - start) / statistics.mean(sum(start < at <= end for at in one) for one in times)


async def measure(engine: Engine) -> tuple[float, float, float]:
    """Seconds of a step: the fixed part, for each decode, and for each prompt token.

    Fast rounds count, so that other programs on the machine change the result little.
    """
    await arrivals(engine, 256, 8)
    first = [min([(await arrivals(engine, length, 1))[0] for _ in range(REPEATS)]) for length in LENGTHS]
    gaps = [min([await step_seconds(engine, streams) for _ in range(REPEATS)]) for streams in STREAMS]
    per_decode = (gaps[-1] - gaps[0]) / (STREAMS[-1] - STREAMS[0])
    fixed = max(gaps[0] - per_decode, 0.0)
    # A prompt takes a fixed part for each chunk of a whole step.
    chunk = SchedulerLimits().prefill_tokens
    per_prompt_token = np.polyfit(LENGTHS, first, 1)[0] - fixed / chunk
    return fixed, per_decode, float(per_prompt_token)


def seconds_to_load() -> float:
    """From the start of a process to its first token, the weights being packed already."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "simulation.measure", FIRST_TOKEN], check=True)
    return time.perf_counter() - start


async def with_engine(*, first_token: bool) -> tuple[float, float, float]:
    """Measure with an engine that runs meanwhile."""
    parts = load_model()
    engine = Engine(PagedModel(parts.graph, parts.facts.context_length, ModelOptions(threads=1)))
    engine.start()
    try:
        if first_token:
            await arrivals(engine, 32, 1)
            return 0.0, 0.0, 0.0
        return await measure(engine)
    finally:
        await engine.stop()


def main() -> None:
    if FIRST_TOKEN in sys.argv:
        asyncio.run(with_engine(first_token=True))
        return
    fixed, per_decode, per_prompt_token = asyncio.run(with_engine(first_token=False))
    limits = SchedulerLimits()
    times = ServiceTimes(
        model=BUILT_IN_NAME,
        machine=f"one thread, {platform.machine()}, {os.cpu_count()} cores shared with other programs",
        command="python -m simulation.measure",
        step_seconds=round(fixed, 6),
        seconds_per_decode=round(per_decode, 6),
        seconds_per_prompt_token=round(per_prompt_token, 7),
        load_seconds=round(seconds_to_load(), 2),
        prefill_tokens=limits.prefill_tokens,
        prefill_tokens_beside_decodes=limits.prefill_tokens_beside_decodes,
        max_running=limits.max_running,
    )
    times.save()
    print(times)


if __name__ == "__main__":
    main()
