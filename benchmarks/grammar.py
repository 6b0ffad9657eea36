"""What structured output costs: throughput with and without, and how long grammars take to compile."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.engine import prompts, running
from benchmarks.report import table
from forefront.chat.grammar.compiler import CompiledGrammar, Grammars
from forefront.chat.grammar.source import GrammarSource
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.engine.engine import Engine
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, Sampling
from forefront.tokenizer.tokenizer import Tokenizer

STREAMS = 16
# It never ends by itself, so that all streams run to the limit.
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
    """A schema of so many properties of four kinds, half of them required."""
    kinds: Sequence[dict[str, Any]] = (
        {"type": "string"},
        {"type": "integer", "minimum": 0, "maximum": 1000},
        {"type": "array", "items": {"type": "number"}},
        {"enum": ["red", "green", "blue"]},
    )
    names = [f"{name}_{i}" for i in range(properties)]
    made = {own: kinds[i % 4] for i, own in enumerate(names)}
    return {"type": "object", "properties": made, "required": names[::2], "additionalProperties": False}


async def throughput(engine: Engine, tokens: int, grammar: CompiledGrammar | None, room: int) -> float:
    """Tokens per second of 16 streams from the last one's first token on, `room` tokens before any limit."""
    arrivals: list[list[float]] = []

    async def one(prompt: list[int]) -> None:
        own: list[float] = []
        arrivals.append(own)
        constraint = grammar.start if grammar else None
        ends = frozenset({2}) if grammar else frozenset()
        request = GenerateRequest(prompt, tokens + room, Sampling(), stop_tokens=ends, constraint=constraint)
        generation = engine.submit(request)
        async for batch in generation:
            own += [time.perf_counter()] * len(batch)
            if len(own) >= tokens:
                break
        await generation.aclose()

    await asyncio.gather(*(one(prompt) for prompt in prompts(STREAMS)))
    start, end = max(own[0] for own in arrivals), min(own[-1] for own in arrivals)
    return sum(sum(1 for at in own if start < at <= end) for own in arrivals) / (end - start)


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
