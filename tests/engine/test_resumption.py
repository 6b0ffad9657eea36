"""A generation that begins with tokens of another engine goes on as the uninterrupted one would."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.constraint import Constraint, Mask, replay
from forefront.engine.engine import Engine
from forefront.engine.generation import Token
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, ResumedOutput, SamplingParams
from tests.engine.engines import CONTEXT, EXACT, GREEDY, collect, prompt

SEEDED = SamplingParams(temperature=1.0, top_p=0.95, seed=7)
PENALISED = SamplingParams(temperature=0.8, seed=3, presence_penalty=1.5, frequency_penalty=1.0, repetition_penalty=1.3)
SCORED = SamplingParams(temperature=0, top_logprobs=2)


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


@pytest.fixture
async def engine(model: PagedModel) -> AsyncIterator[Engine]:
    engine = Engine(model)
    engine.start()
    yield engine
    await engine.stop()


def choices(tokens: list[Token], n: int) -> list[list[Token]]:
    return [[token for token in tokens if token.choice == index] for index in range(n)]


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED, PENALISED, SCORED], ids=["greedy", "seed", "penalties", "scores"])
@pytest.mark.parametrize("done", [1, 17, 39])
async def test_a_resumed_generation_ends_like_an_uninterrupted_one(
    engine: Engine, sampling: SamplingParams, done: int
) -> None:
    request = GenerateRequest(prompt(50, 1), 40, sampling)
    whole = await collect(engine.submit(request))
    beginning = ResumedOutput(0, [token.token for token in whole[:done]])
    rest = await collect(engine.submit(replace(request, resumed=[beginning])))
    assert [(token.token, token.finish) for token in rest] == [(token.token, token.finish) for token in whole[done:]]
    if sampling.top_logprobs:
        differences = [abs(a.logprob - b.logprob) for a, b in zip(rest, whole[done:], strict=True)]
        assert max(differences) < 1e-3


async def test_only_the_unfinished_of_several_continuations_go_on(engine: Engine) -> None:
    request = GenerateRequest(prompt(50, 2), 24, SEEDED, n=4)
    whole = choices(await collect(engine.submit(request)), 4)
    # Choice 1 has finished, choice 2 has not begun.
    resumed = [
        ResumedOutput(index, [t.token for t in whole[index][:done]]) for index, done in ((0, 5), (2, 0), (3, 20))
    ]
    rest = choices(await collect(engine.submit(replace(request, resumed=resumed))), 4)
    for index, done in ((0, 5), (1, 24), (2, 0), (3, 20)):
        assert [token.token for token in rest[index]] == [token.token for token in whole[index][done:]]


class EveryThird:
    """Allows the tokens whose place in the output and number are equal modulo three, and the token 2 after twelve."""

    ended = forced_finish = False

    def __init__(self) -> None:
        self.accepted: list[int] = []

    def mask(self, tokens_left: int) -> Mask | None:
        allowed = np.zeros(512, np.uint8)
        if len(self.accepted) == 12:
            allowed[2] = 1
        else:
            allowed[len(self.accepted) % 3 + 3 :: 3] = 1
        return np.packbits(allowed, bitorder="little").view(np.uint32)

    def forced(self) -> list[int]:
        return []

    def accept(self, token: int, tokens_left: int) -> int:
        assert tokens_left == 30 - len(self.accepted)
        self.accepted.append(token)
        return token

    def rollback(self, count: int) -> None:
        del self.accepted[len(self.accepted) - count :]


async def test_a_constraint_resumes_from_replayed_tokens(engine: Engine) -> None:
    request = GenerateRequest(prompt(30), 30, SEEDED, stop_tokens=frozenset({2}), constraint=EveryThird)
    whole = await collect(engine.submit(request))
    assert (len(whole), whole[-1].finish) == (13, "stop")
    for done in (1, 7, 12):
        tokens = [token.token for token in whole[:done]]
        constraint: Constraint = replay(EveryThird(), tokens, 30)
        rest = await collect(engine.submit(replace(request, resumed=[ResumedOutput(0, tokens, constraint)])))
        assert rest == whole[done:]


async def test_a_resumed_generation_can_be_cancelled_and_counts_as_work(engine: Engine) -> None:
    request = GenerateRequest(prompt(30), 1500, GREEDY, resumed=[ResumedOutput(0, prompt(400, 5))])
    generation = engine.submit(request)
    async for _ in generation:
        break
    assert engine.stats().running == 1
    await generation.aclose()
    await asyncio.sleep(0)
    assert engine.stats().running == 0
