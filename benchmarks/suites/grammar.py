"""The cost of structured output: throughput with and without it, and the time to compile grammars."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.report import table
from benchmarks.suites.engine import prompts, running
from forefront.chat.grammar.compiler import CompiledGrammar, Grammars
from forefront.chat.grammar.grammar_source import GrammarSource
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.engine.engine import Engine
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.tokenizer.tokenizer import Tokenizer

STREAMS = 16
# Its shortest output exceeds `--tokens`, so that all streams run to the limit.
ENDLESS = {
    "type": "array",
    "minItems": 30,
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 40}, "age": {"type": "integer", "maximum": 120}},
        "required": ["name", "age"],
        "additionalProperties": False,
    },
}


def wide(properties: int, name: str) -> dict[str, Any]:
    """A schema with that many properties, of four kinds, half of them required."""
    kinds: Sequence[dict[str, Any]] = (
        {"type": "string"},
        {"type": "integer", "minimum": 0, "maximum": 1000},
        {"type": "array", "items": {"type": "number"}},
        {"enum": ["red", "green", "blue"]},
    )
    names = [f"{name}_{i}" for i in range(properties)]
    schemas = {name: kinds[i % 4] for i, name in enumerate(names)}
    return {"type": "object", "properties": schemas, "required": names[::2], "additionalProperties": False}


async def throughput(engine: Engine, tokens: int, grammar: CompiledGrammar | None, room: int) -> float:
    """Tokens per second of 16 streams while all of them run, `room` tokens before their limit."""
    arrivals: list[list[float]] = []

    async def stream(prompt: list[int]) -> None:
        times: list[float] = []
        arrivals.append(times)
        constraint = grammar.start if grammar else None
        ends = frozenset({2}) if grammar else frozenset()
        request = GenerateRequest(prompt, tokens + room, SamplingParams(), stop_tokens=ends, constraint=constraint)
        generation = engine.submit(request)
        async for batch in generation:
            times += [time.perf_counter()] * len(batch)
            if len(times) >= tokens:
                break
        await generation.aclose()

    await asyncio.gather(*(stream(prompt) for prompt in prompts(STREAMS)))
    start, end = max(times[0] for times in arrivals), min(times[-1] for times in arrivals)
    return sum(sum(1 for at in times if start < at <= end) for times in arrivals) / (end - start)


async def _compile(grammars: Grammars, repeats: int) -> list[float]:
    async def timed(schema: dict[str, Any]) -> float:
        start = time.perf_counter()
        await grammars.compile(GrammarSource("json_schema", json.dumps(schema)), "schema")
        return 1000 * (time.perf_counter() - start)

    first = await timed(wide(200, "first"))
    cold = [await timed(wide(200, f"cold{i}")) for i in range(repeats)]
    return [first, statistics.median(cold), statistics.median([await timed(wide(200, "cold0")) for _ in range(9)])]


def run(tokenizer: Tokenizer, model: PagedModel, tokens: int, repeats: int) -> None:
    """Print the tables."""
    grammars = Grammars(Vocabulary(tokenizer.pieces, tokenizer.control, tokenizer.end_tokens))

    async def rounds() -> tuple[list[tuple[float, float, float]], list[float]]:
        endless = await grammars.compile(GrammarSource("json_schema", json.dumps(ENDLESS)), "schema")
        short = await grammars.compile(GrammarSource("json_schema", json.dumps(ENDLESS | {"minItems": 8})), "schema")
        assert short.shortest is not None
        measured = []
        async with running(model) as engine:
            for _ in range(repeats + 1):
                plain = await throughput(engine, tokens, None, 0)
                far = await throughput(engine, tokens, endless, 4000)
                near = await throughput(engine, tokens, short, max(short.shortest - tokens, 0) + 8)
                measured.append((plain, far / plain, near / plain))
        return measured[1:], await _compile(grammars, repeats)

    try:
        measured, (first, cold, cached) = asyncio.run(rounds())
    finally:
        grammars.close()
    plain, far, near = (statistics.median(values) for values in zip(*measured, strict=True))
    head = ["streams", "unconstrained t/s", "schema ÷ unconstrained", "close to the limit ÷ unconstrained"]
    table("Decoding with a grammar", head, [[STREAMS, f"{plain:.0f}", far, near]])
    figures = [f"{value:.1f} ms" for value in (first, cold, cached)]
    table("Compiling a schema of 200 properties", ["the first after the start", "cold", "cached"], [figures])
