"""`python -m benchmarks.suites.scheduling`: times to first tokens, between tokens, and throughput, without HTTP.

Prompts share nothing. Loads: streams that only decode; 32 streams that start at once, with prompts of 270 tokens (200
words) or of 2,000; and 8 streams that decode while prompts of 2,000 tokens arrive, and short ones between them. Rounds
with budgets by measured step times alternate with rounds with fixed ones, of 64 prompt tokens beside decodes and 256
without. `--simulate` computes the time of each step instead of running a model.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from benchmarks.models import CONTEXT, SIZES, prepare
from benchmarks.report import machine, table
from forefront.engine.engine import Engine
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.scheduling.step_budget import StepBudget
from forefront.engine.scheduling.step_cost import StepSize
from forefront.fairness.tenant import NO_TENANT
from tests.engine.scheduling.machine import fresh
from tests.engine.scheduling.timed_machine import PROCESSORS, TimedMachine

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
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(generate(engine, 60, 4000, stream)) for stream in decoding]
    await generate(engine, 60, 8)  # all decode afterwards
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


class FixedBudget(StepBudget):
    """Budgets that follow no measurement."""

    def record(self, size: StepSize, seconds: float) -> None:
        """Does nothing."""

    def contend(self) -> None:
        """Does nothing."""


def fixed_budget() -> FixedBudget:
    """The budget to compare with."""
    return FixedBudget(0.1, maximum=256, first=64)


async def measure(model: PagedModel, *, fixed: bool = False, long: bool = True) -> dict[str, Figures]:
    """One round. `long`: with the burst of long prompts, which takes longest."""
    figures: dict[str, Figures] = {}
    engine = Engine(model)
    if fixed:
        engine._step_budget = engine._scheduler.step_budget = fixed_budget()
    engine.start()
    try:
        for streams in (1, 8, 32):
            figures[f"{streams} decoding"] = await decodes(engine, streams)
        figures["32 at once, 200 words"] = await burst(engine, _WORDS_200)
        figures["8 decoding, 2,000-token prompts"] = await beside_prompts(engine)
        if long:
            figures["32 at once, 2,000 tokens"] = await burst(engine, _LONG)
    finally:
        await engine.stop()
    return figures


def run(model: PagedModel, repeats: int) -> None:
    """Print medians of the rounds."""
    fixed, measured = [], []
    for _ in range(repeats):
        fixed.append(asyncio.run(measure(model, fixed=True)))
        measured.append(asyncio.run(measure(model)))
    rows = [
        [load, name, *(f"{statistics.median(f[load][name] for f in rounds):.3g}" for rounds in (fixed, measured))]
        for load, names in fixed[0].items()
        for name in names
    ]
    table("Scheduling", ["load", "figure", "fixed budget", "measured"], rows)


def simulate_burst(machine: TimedMachine, length: int) -> Figures:
    """32 streams that start at once."""
    streams = machine.add(fresh(length, NO_TENANT, _OUTPUT) for _ in range(32))
    machine.timed_until(lambda: machine.idle)
    times = [machine.token_times[stream] for stream in streams]
    return {
        "first token, median s": quantile([its_times[0] for its_times in times], 0.5),
        "first token, p99 s": quantile([its_times[0] for its_times in times], 0.99),
        "between tokens, p95 s": quantile([b - a for its_times in times for a, b in pairwise(its_times)], 0.95),
        "all, s": machine.now,
    }


def simulate_beside_prompts(machine: TimedMachine) -> Figures:
    """8 streams decode while prompts of 2,000 tokens arrive, one at a time."""
    streams = machine.add(fresh(60, NO_TENANT, 10**6) for _ in range(8))
    machine.timed_until(lambda: all(stream in machine.token_times for stream in streams))
    begin, waits = machine.now, []
    for _ in range(6):
        arrived, [prompt] = machine.now, machine.add([fresh(_LONG, NO_TENANT, 2)])
        machine.timed_until(lambda prompt=prompt: prompt in machine.token_times)  # type: ignore[misc]
        waits.append(machine.now - arrived)
    gaps = [b - a for stream in streams for a, b in pairwise(machine.token_times[stream]) if a > begin]
    return {
        "between tokens, p95 s": quantile(gaps, 0.95),
        "between tokens, p99 s": quantile(gaps, 0.99),
        "first token, median s": quantile(waits, 0.5),
    }


def simulate() -> None:
    """Print the same for steps whose time is computed, with noise of 5 %."""
    loads: dict[str, Callable[[TimedMachine], Figures]] = {
        "32 at once, 200 words": lambda machine: simulate_burst(machine, _WORDS_200),
        "32 at once, 2,000 tokens": lambda machine: simulate_burst(machine, _LONG),
        "8 decoding, 2,000-token prompts": simulate_beside_prompts,
    }
    rows = []
    for name, processor in PROCESSORS.items():
        for load, run_load in loads.items():
            results = []
            for budget in (fixed_budget(), None):
                machine = TimedMachine(replace(processor, outliers=0), SchedulerLimits())
                machine.scheduler.step_budget = budget or machine.scheduler.step_budget
                results.append(run_load(machine))
            rows += [[name, load, figure, *(f"{r[figure]:.3g}" for r in results)] for figure in results[0]]
    table("Scheduling, simulated", ["processor", "load", "figure", "fixed budget", "measured"], rows)


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suites.scheduling")
    parser.add_argument("--size", choices=SIZES, default="0.1b", help="which random model (default 0.1b)")
    parser.add_argument("--quant", choices=["Q8_0", "Q4_0"], default="Q8_0", help="its quantisation (default Q8_0)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; medians are shown (default 3)")
    parser.add_argument("--simulate", action="store_true", help="compute the time of steps instead of running a model")
    options = parser.parse_args()
    if options.simulate:
        simulate()
        return
    print(machine(), flush=True)
    _, parts = prepare(options.size, options.quant)
    run(PagedModel(parts.graph, CONTEXT, ModelOptions(contexts=12)), options.repeats)


if __name__ == "__main__":
    main()
