"""Drafts by n-grams against single steps, in alternating rounds on two copies of one model.

The answers are those of SmolLM2 135M to prompts that it quotes and to others. Every round has a new tenant, so that
no round repeats the outputs of an earlier one, and its prompts are in the cache before the clock starts. It stops
when the last answer begins, since a batch that runs empty is as slow as its longest answer.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.report import table
from benchmarks.suites.quoted_text import QUOTING, UNPREDICTABLE
from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.speculation.ngram_drafter import NgramDrafter
from forefront.fairness.tenant import Tenant
from forefront.tokenizer.tokenizer import Tokenizer
from tests.support.models.loaded import load_parts
from tests.support.models.smollm2 import smollm2_file

_CONTEXT: Final = 2048
_TOKENS: Final = 96
_STREAMS: Final = (1, 8, 32)
# Answers of each stream, one after the other.
_TURNS: Final = 3
# Each case: the prompts, and the sampling of their answers.
_CASES: Final = {
    "quotes its prompt, greedy": (QUOTING, {"temperature": 0.0}),
    "quotes its prompt, temperature 0.7": (QUOTING, {"temperature": 0.7, "top_p": 0.9}),
    "unpredictable, temperature 1": (UNPREDICTABLE, {"temperature": 1.0}),
}
_tenants = count()


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of the clock and of the processor, and output tokens."""

    seconds: float
    processor: float
    tokens: int


def chat_prompt(tokenizer: Tokenizer, text: str) -> list[int]:
    """A message in SmolLM2's template."""
    return tokenizer.encode(f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")


async def measure(
    engine: Engine, parts: ModelParts, prompts: Sequence[str], streams: int, sampling: dict[str, float], repeat: int
) -> Round:
    """Answer the prompts in turn, `streams` at a time, until the last answer begins: no place is empty until then. Each
    repeat has other random numbers."""
    tenant = Tenant(f"round {next(_tenants)}")
    tokens = [chat_prompt(parts.tokenizer, text) for text in prompts]
    slots = asyncio.Semaphore(streams)
    count = max(_TURNS * streams, len(tokens) + 1)
    arrived = 0
    begin = processor = 0.0
    measured: list[Round] = []

    async def answer(index: int, max_tokens: int) -> None:
        nonlocal arrived
        settings = SamplingParams(seed=1000 * repeat + index, **sampling)  # type: ignore[arg-type]
        prompt, ends = tokens[index % len(tokens)], parts.tokenizer.end_tokens
        async with slots:
            if index == count - 1:
                measured.append(Round(time.perf_counter() - begin, time.process_time() - processor, arrived))
            generation = engine.submit(GenerateRequest(prompt, max_tokens, settings, stop_tokens=ends, tenant=tenant))
            async for batch in generation:
                arrived += len(batch)

    await asyncio.gather(*(answer(index, 1) for index in range(len(tokens))))
    arrived, begin, processor = 0, time.perf_counter(), time.process_time()
    await asyncio.gather(*(answer(index, _TOKENS) for index in range(count)))
    return measured[0]


async def compare(parts: ModelParts, repeats: int) -> list[list[object]]:
    """The rows of the table."""
    plain, drafting = (
        Engine(PagedModel(parts.graph, _CONTEXT, ModelOptions(contexts=20)), drafter=drafter)
        for drafter in (None, NgramDrafter())
    )
    plain.start()
    drafting.start()
    rows: list[list[object]] = []
    for name, (prompts, sampling) in _CASES.items():
        for streams in _STREAMS:
            before = drafting.stats()
            rounds: list[tuple[Round, Round]] = []
            for repeat in range(repeats + 1):
                engines = (plain, drafting) if repeat % 2 else (drafting, plain)
                measured = {
                    engine: await measure(engine, parts, prompts, streams, sampling, repeat) for engine in engines
                }
                rounds.append((measured[plain], measured[drafting]))
            rounds = rounds[1:]  # kernels are compiled in the first
            after = drafting.stats()
            drafted, accepted = after.draft_tokens - before.draft_tokens, after.accepted_tokens - before.accepted_tokens
            by_clock = statistics.median(_rate(other) / _rate(one) for one, other in rounds)
            by_processor = statistics.median(
                one.processor / one.tokens / (other.processor / other.tokens) for one, other in rounds
            )
            outputs = after.tokens_sampled - before.tokens_sampled
            rates = [f"{statistics.median(_rate(its[way]) for its in rounds):.0f}" for way in (0, 1)]
            shares = [f"{100 * drafted / outputs:.0f} %", f"{100 * accepted / max(drafted, 1):.0f} %"]
            rows.append([name, streams, *rates, by_clock, by_processor, *shares])
    await plain.stop()
    await drafting.stop()
    return rows


def _rate(measured: Round) -> float:
    return measured.tokens / measured.seconds


def run(repeats: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as folder:
        parts = load_parts(smollm2_file(), Path(folder), exact=False)
        rows = asyncio.run(compare(parts, repeats))
    head = ["text", "streams", "single steps t/s", "drafts t/s", "ratio", "ratio by processor time"]
    table("Drafts by n-grams: SmolLM2 135M", [*head, "draft tokens per output token", "accepted"], rows)
