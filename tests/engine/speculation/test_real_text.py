"""Drafts on the built-in model and real text: the output is that of single steps, whatever shares the batch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest

from forefront.chat.grammar.compiler import Grammars
from forefront.chat.grammar.grammar_source import json_schema_source
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.chat.local.loading import ModelParts
from forefront.engine.constraint import ConstraintFactory
from forefront.engine.engine import Engine
from forefront.engine.generation import Token
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.drafter import Drafter
from forefront.engine.speculation.drafter_factory import create_drafter
from forefront.engine.speculation.forced_tokens import ForcedTokensDrafter
from forefront.engine.speculation.ngram_drafter import NgramDrafter
from tests.engine.engines import EXACT, collect, until_idle
from tests.engine.test_speculation import Part

TEXTS: Final = (
    "Repeat this: The lamp burned whale oil until 1902, when it was converted to kerosene. The lamp burned",
    "one two three four five six seven eight nine ten one two three four five six seven",
    "| name | city |\n| --- | --- |\n| Ann | Rome |\n| Ben | Oslo |\n| Ann | Rome |\n| Ben",
    "def add(a, b):\n    return a + b\n\ndef add3(a, b, c):\n    return a + b + c\n\ndef add(a",
    "Once upon a time there was a small house by the sea.",
)
SCHEMA: Final = {
    "type": "object",
    "properties": {
        "first_name_of_the_person": {"enum": ["Ann", "Ben", "Charlotte"]},
        "scores": {"type": "array", "items": {"type": "integer", "maximum": 99}, "minItems": 3, "maxItems": 6},
        "remark": {"type": "string", "maxLength": 30},
    },
    "required": ["first_name_of_the_person", "scores", "remark"],
    "additionalProperties": False,
}
SAMPLINGS: Final = (
    SamplingParams(temperature=0),
    SamplingParams(seed=3, temperature=0.6),
    SamplingParams(seed=5, top_p=0.8, presence_penalty=0.4),
    SamplingParams(temperature=0, repetition_penalty=1.1, logit_bias={40: 1.0}),
)


@pytest.fixture(scope="module")
def model(mini_parts: ModelParts) -> PagedModel:
    return PagedModel(mini_parts.graph, 1024, EXACT)


@pytest.fixture(scope="module")
async def constraint(mini_parts: ModelParts) -> AsyncIterator[ConstraintFactory]:
    tokenizer = mini_parts.tokenizer
    grammars = Grammars(Vocabulary(tokenizer.pieces, tokenizer.control, tokenizer.end_tokens))
    try:
        compiled = await grammars.compile(json_schema_source(SCHEMA, "schema", strict=True), "schema")
        assert compiled.start is not None
        yield compiled.start
    finally:
        grammars.close()


@asynccontextmanager
async def engine_of(model: PagedModel, drafter: Drafter | None, blocks: int = 200) -> AsyncIterator[Engine]:
    engine = Engine(Part(model, blocks), drafter=drafter)
    engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def requests_of(parts: ModelParts, constraint: ConstraintFactory) -> list[GenerateRequest]:
    """Every text with every sampling; some with stop tokens, several choices, log-probabilities or a schema."""
    requests = []
    for place, text in enumerate(TEXTS):
        for number, sampling in enumerate(SAMPLINGS):
            request = GenerateRequest(parts.tokenizer.encode(text), 40 + 5 * number, sampling)
            kind = (place + number) % 4
            if kind == 1:
                request = replace(request, n=2, stop_tokens=parts.tokenizer.end_tokens)
            elif kind == 2:
                request = replace(request, sampling=replace(sampling, top_logprobs=2))
            elif kind == 3:
                request = replace(request, constraint=constraint, stop_tokens=parts.tokenizer.end_tokens, max_tokens=90)
            requests.append(request)
    return requests


def by_choice(tokens: list[Token]) -> dict[int, list[tuple[int, str | None]]]:
    choices: dict[int, list[tuple[int, str | None]]] = {}
    for token in tokens:
        choices.setdefault(token.choice, []).append((token.token, token.finish))
    return choices


async def test_drafts_change_no_output(
    model: PagedModel, mini_parts: ModelParts, constraint: ConstraintFactory
) -> None:
    """In a mixed batch, with preemption, then with each request a second time: its first output is a source then."""
    requests = requests_of(mini_parts, constraint)
    async with engine_of(model, None) as engine:
        expected = await asyncio.gather(*(collect(engine.submit(request)) for request in requests))
    for blocks, rounds in ((200, 2), (10, 1)):
        async with engine_of(model, create_drafter(ModelOptions(quantize_activations=False)), blocks) as engine:
            for _ in range(rounds):
                found = await asyncio.gather(*(collect(engine.submit(request)) for request in requests))
                for request, tokens, wanted in zip(requests, found, expected, strict=True):
                    assert by_choice(tokens) == by_choice(wanted)
                    if request.sampling.top_logprobs is not None:
                        assert [token.logprob for token in tokens] == pytest.approx(
                            [token.logprob for token in wanted], abs=1e-3
                        )
            stats = engine.stats()
            assert stats.accepted_tokens > 50
            assert stats.tokens_sampled == rounds * sum(map(len, expected))
            assert bool(stats.preemptions) == (blocks == 10)
            await until_idle(engine)


async def test_cancelled_neighbours_change_no_output(model: PagedModel, mini_parts: ModelParts) -> None:
    request = GenerateRequest(mini_parts.tokenizer.encode(TEXTS[2]), 60, SamplingParams(temperature=0))
    drafter = NgramDrafter()
    async with engine_of(model, None) as engine:
        expected = await collect(engine.submit(request))
    async with engine_of(model, drafter) as engine:
        neighbours = [engine.submit(replace(request, max_tokens=800)) for _ in range(3)]
        found = asyncio.create_task(collect(engine.submit(request)))
        for neighbour in neighbours:
            async for _ in neighbour:
                await neighbour.aclose()
                break
        assert await found == expected
        assert engine.stats().accepted_tokens > 0
        await until_idle(engine)
        assert not drafter._repetitions


@pytest.mark.parametrize("sampling", [SamplingParams(temperature=0), SamplingParams(seed=2)], ids=str)
async def test_forced_tokens_save_steps_and_change_no_output(
    model: PagedModel, mini_parts: ModelParts, constraint: ConstraintFactory, sampling: SamplingParams
) -> None:
    tokenizer, drafter = mini_parts.tokenizer, ForcedTokensDrafter()
    request = GenerateRequest(
        tokenizer.encode(TEXTS[0]), 120, sampling, stop_tokens=tokenizer.end_tokens, constraint=constraint
    )
    passes, outputs = [], []
    for its_drafter in (None, drafter):
        part = Part(model, 50)
        engine = Engine(part, drafter=its_drafter)
        engine.start()
        outputs.append(await collect(engine.submit(request)))
        passes.append(part.passes)
        stats = engine.stats()
        await engine.stop()
    assert outputs[0] == outputs[1]
    assert passes[1] <= 0.85 * passes[0]
    assert passes[0] - passes[1] <= stats.accepted_tokens
    assert not drafter._lengths
