"""Steps that sample several tokens of a sequence: the output is that of steps without drafts, at any acceptance."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.constraint import MAX_ROLLBACK
from forefront.engine.engine import Engine
from forefront.engine.generation import Token
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.drafter import Drafter
from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from tests.engine.drafts import ScriptedDrafter, SimpleDrafter
from tests.engine.engines import CONTEXT, EXACT, GREEDY, collect, prompt
from tests.engine.sampling.test_constraint import STOP, Cycle

ACCEPTANCES = [0.0, 0.5, 0.9, 1.0]
Outputs = Mapping[tuple[int, ...], list[int]]


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


@dataclass
class Part:
    """So many blocks of a model. Counts forward passes and their tokens."""

    model: PagedModel
    block_count: int
    passes: int = field(default=0)
    tokens: int = field(default=0)

    def __post_init__(self) -> None:
        self.block_size, self.context_length = self.model.block_size, self.model.context_length
        self.vocabulary_size = self.model.vocabulary_size
        self.copy_block, self.restart = self.model.copy_block, self.model.restart

    def run(self, *arguments):  # type: ignore[no-untyped-def]
        self.passes += 1
        self.tokens += sum(len(sequence.tokens) for sequence in arguments[0])
        return self.model.run(*arguments)


@asynccontextmanager
async def engine_of(
    part: Part, drafter: Drafter | None = None, limits: SchedulerLimits | None = None
) -> AsyncIterator[Engine]:
    engine = Engine(part, limits, drafter)
    engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def answers(engine: Engine, requests: list[GenerateRequest]) -> list[list[Token]]:
    return list(await asyncio.gather(*(collect(engine.submit(request)) for request in requests)))


def outputs_of(requests: list[GenerateRequest], tokens: list[list[Token]]) -> Outputs:
    """The first continuation's tokens by prompt."""
    return {
        tuple(request.prompt): [token.token for token in its_tokens if token.choice == 0]
        for request, its_tokens in zip(requests, tokens, strict=True)
    }


def requests_for(sampling: SamplingParams, count: int = 4, max_tokens: int = 40) -> list[GenerateRequest]:
    return [GenerateRequest(prompt(20 + 9 * n, n), max_tokens, sampling) for n in range(count)]


@pytest.mark.parametrize(
    "sampling",
    [
        GREEDY,
        SamplingParams(seed=4),
        SamplingParams(seed=4, top_p=0.9, temperature=0.8),
        SamplingParams(temperature=0, repetition_penalty=1.3, frequency_penalty=0.4),
        SamplingParams(seed=4, presence_penalty=0.5, logit_bias={7: 2.0}),
    ],
    ids=str,
)
async def test_drafts_of_any_acceptance_change_no_output(model: PagedModel, sampling: SamplingParams) -> None:
    requests = requests_for(sampling)
    plain = Part(model, 100)
    async with engine_of(plain) as engine:
        expected = await answers(engine, requests)
    for acceptance in ACCEPTANCES:
        part = Part(model, 100)
        drafter = ScriptedDrafter(outputs_of(requests, expected), acceptance)
        async with engine_of(part, drafter) as engine:
            assert await answers(engine, requests) == expected
            assert engine.stats().tokens_sampled == 4 * 40
            assert engine.stats().blocks_held == 0
        assert drafter.proposed > 50
        # Four tokens a draft on average, and one more from each step.
        assert part.passes < plain.passes / 2 if acceptance == 1 else part.passes <= plain.passes


async def test_log_probabilities_are_those_of_single_steps(model: PagedModel) -> None:
    requests = requests_for(SamplingParams(temperature=0, top_logprobs=3), 2)
    async with engine_of(Part(model, 100)) as engine:
        expected = await answers(engine, requests)
    async with engine_of(Part(model, 100), ScriptedDrafter(outputs_of(requests, expected), 0.7)) as engine:
        found = await answers(engine, requests)
    for tokens, wanted in zip(found, expected, strict=True):
        assert [token.token for token in tokens] == [token.token for token in wanted]
        assert [token.logprob for token in tokens] == pytest.approx([token.logprob for token in wanted], abs=1e-3)
        assert [[other.token for other in token.top] for token in tokens] == [
            [other.token for other in token.top] for token in wanted
        ]


async def test_only_confirmed_tokens_are_cached(model: PagedModel) -> None:
    """A later request continues an output that was sampled with drafts, half of them wrong."""
    [request] = requests_for(GREEDY, 1, 100)
    async with engine_of(Part(model, 100)) as engine:
        expected = await answers(engine, [request])
        longer = replace(request, prompt=[*request.prompt, *(token.token for token in expected[0])], max_tokens=20)
        [continued] = await answers(engine, [longer])
    known = outputs_of([request, longer], [*expected, continued])
    async with engine_of(Part(model, 100), ScriptedDrafter(known, 0.5)) as engine:
        assert await answers(engine, [request]) == expected
        generation = engine.submit(longer)
        assert await collect(generation) == continued
        assert generation.cached_tokens == 96


async def test_preempted_sequences_with_drafts_give_the_same_output(model: PagedModel) -> None:
    requests = requests_for(GREEDY, 6, 80)
    async with engine_of(Part(model, 200)) as engine:
        expected = await answers(engine, requests)
    async with engine_of(Part(model, 14), ScriptedDrafter(outputs_of(requests, expected), 0.8)) as engine:
        assert await answers(engine, requests) == expected
        assert engine.stats().preemptions > 0
        assert engine.stats().blocks_held == 0


async def test_continuations_and_drafts(model: PagedModel) -> None:
    request = GenerateRequest(prompt(45, 4), 30, SamplingParams(seed=3), n=3)
    async with engine_of(Part(model, 100)) as engine:
        [expected] = await answers(engine, [request])
    async with engine_of(Part(model, 100), ScriptedDrafter(outputs_of([request], [expected]), 0.9)) as engine:
        [found] = await answers(engine, [request])
    for choice in range(3):
        assert [token for token in found if token.choice == choice] == [
            token for token in expected if token.choice == choice
        ]


async def test_a_stop_token_in_a_draft_ends_the_output(model: PagedModel) -> None:
    [request] = requests_for(GREEDY, 1)
    async with engine_of(Part(model, 100)) as engine:
        [plain] = await answers(engine, [request])
        stopped = replace(request, stop_tokens=frozenset({plain[17].token}))
        [expected] = await answers(engine, [stopped])
    async with engine_of(Part(model, 100), ScriptedDrafter(outputs_of([request], [plain]), 1.0)) as engine:
        assert await answers(engine, [stopped]) == [expected]
    assert expected[-1].finish == "stop"


@pytest.mark.parametrize("acceptance", ACCEPTANCES)
@pytest.mark.parametrize("bends", [None, 9])
async def test_a_constraint_follows_and_rolls_back_drafts(
    model: PagedModel, acceptance: float, bends: int | None
) -> None:
    """Rejected tokens are rolled back; one that the constraint replaces ends its draft."""

    async def run(drafter: Drafter | None) -> tuple[list[list[Token]], list[list[int]]]:
        made = [Cycle(25, bends=bends) for _ in range(3)]
        requests = [
            GenerateRequest(
                prompt(30, n),
                40,
                SamplingParams(seed=n),
                stop_tokens=frozenset({STOP}),
                constraint=partial(made.__getitem__, n),
            )
            for n in range(3)
        ]
        async with engine_of(Part(model, 100), drafter) as engine:
            tokens = await answers(engine, requests)
        known.update(outputs_of(requests, tokens))
        return tokens, [constraint.taken for constraint in made]

    known: dict[tuple[int, ...], list[int]] = {}
    expected = await run(None)
    assert await run(ScriptedDrafter(dict(known), acceptance)) == expected
    assert all(len(taken) == 25 for taken in expected[1])


class WholeOutput(SimpleDrafter):
    """Proposes all of a known output that it may."""

    def __init__(self, output: list[int]) -> None:
        self.output = output

    def draft(self, sequence: Sequence, max_tokens: int) -> list[int]:
        place = sequence.num_output_tokens
        return self.output[place : place + max_tokens]


class UnstableConstraint(Cycle):
    """Replaces the token at one place, but only at the first attempt, as a search with a time limit may."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.attempts = 0

    def accept(self, token: int, left: int) -> int:
        if len(self.taken) == 7:
            self.attempts += 1
            self.bends = 7 if self.attempts == 1 and token != self.allowed(7)[0] else None
        return super().accept(token, left)


@pytest.mark.parametrize("create", [Cycle, UnstableConstraint])
@pytest.mark.parametrize("draft_tokens", [5, MAX_ROLLBACK, 100])
async def test_a_constraint_that_accepts_part_of_a_draft(
    model: PagedModel, create: type[Cycle], draft_tokens: int
) -> None:
    """The draft is longer than the constraint can undo, or the constraint changes its mind about a token."""

    async def run(constraint: Cycle, drafter: Drafter | None) -> list[int]:
        request = GenerateRequest(
            prompt(30), 300, SamplingParams(seed=1), stop_tokens=frozenset({STOP}), constraint=lambda: constraint
        )
        async with engine_of(Part(model, 100), drafter, SchedulerLimits(draft_tokens=draft_tokens)) as engine:
            [tokens] = await asyncio.wait_for(answers(engine, [request]), 60)
        return [token.token for token in tokens]

    expected = await run(Cycle(150), None)
    constraint = create(150)
    assert await run(constraint, WholeOutput(expected)) == expected
    assert len(expected) == 150 + 1
    assert not isinstance(constraint, UnstableConstraint) or constraint.attempts == 2
