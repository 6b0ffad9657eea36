"""Drafts by a model: the same one, whose drafts are right, and another, whose drafts are mostly wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.speculation import draft_model
from forefront.engine.speculation.draft_model import DraftModelDrafter
from tests.engine.engines import CONTEXT, EXACT, collect, prompt, until_idle
from tests.engine.test_speculation import Part, answers
from tests.support.models.loaded import load_parts
from tests.support.models.random_model import write_random_gguf

SAMPLINGS = (
    SamplingParams(temperature=0),
    SamplingParams(seed=4, temperature=0.8),
    SamplingParams(seed=4, top_p=0.9, temperature=1.2),
    SamplingParams(temperature=0, repetition_penalty=1.2),
    SamplingParams(seed=4, top_logprobs=1),
)


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


@pytest.fixture(autouse=True)
def fixed_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass of the draft model counts as a tenth of a step, however long it takes."""
    monkeypatch.setattr(draft_model, "_LATEST", 0.0)


@pytest.fixture(scope="module")
def same(tiny_parts: ModelParts) -> PagedModel:
    """A second copy, with its own KV cache."""
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> PagedModel:
    folder = tmp_path_factory.mktemp("draft")
    write_random_gguf(folder / "other.gguf", seed=77, layers=1)
    return PagedModel(load_parts(folder / "other.gguf", folder).graph, CONTEXT, EXACT)


@asynccontextmanager
async def drafting(model: PagedModel, part: Part, blocks: int = 100) -> AsyncIterator[tuple[Engine, DraftModelDrafter]]:
    drafter = DraftModelDrafter(part)
    drafter._pass_seconds, drafter._step_seconds = 0.1, 1.0
    engine = Engine(Part(model, blocks), drafter=drafter)
    engine.start()
    try:
        yield engine, drafter
        await until_idle(engine)
        assert not drafter._readings
        assert drafter._pool.held == 0
    finally:
        await engine.stop()


def requests(max_tokens: int = 40) -> list[GenerateRequest]:
    return [
        GenerateRequest(prompt(20 + 90 * n, n), max_tokens, sampling, n=2 if n == 1 else 1)
        for n, sampling in enumerate(SAMPLINGS)
    ]


async def single_steps(model: PagedModel, wanted: list[GenerateRequest]) -> list[list[int]]:
    engine = Engine(Part(model, 300))
    engine.start()
    outputs = await answers(engine, wanted)
    await engine.stop()
    return [[token.token for token in sorted(tokens, key=lambda token: token.choice)] for tokens in outputs]


@pytest.mark.parametrize("blocks", [(200, 200), (200, 12), (24, 200)], ids=str)
async def test_drafts_of_any_model_change_no_output(
    model: PagedModel, same: PagedModel, other: PagedModel, blocks: tuple[int, int]
) -> None:
    """Also where either KV cache is too small for all sequences."""
    expected = await single_steps(model, requests())
    for its_draft in (same, other):
        async with drafting(model, Part(its_draft, blocks[1]), blocks[0]) as (engine, _):
            for _ in range(2):
                found = await answers(engine, requests())
                assert [
                    [token.token for token in sorted(tokens, key=lambda token: token.choice)] for tokens in found
                ] == expected
            assert engine.stats().draft_tokens > 0


async def test_drafts_of_the_same_model_are_accepted(model: PagedModel, same: PagedModel) -> None:
    """Greedy and with random numbers: both draw with the same ones."""
    for sampling in SAMPLINGS[:3]:
        async with drafting(model, Part(same, 100)) as (engine, _):
            tokens = await collect(engine.submit(GenerateRequest(prompt(300), 120, sampling)))
            stats = engine.stats()
            assert len(tokens) == 120
            assert stats.accepted_tokens >= 0.95 * stats.draft_tokens
            assert stats.accepted_tokens > 60


async def test_an_inaccurate_draft_model_is_hardly_used(model: PagedModel, other: PagedModel) -> None:
    async with drafting(model, part := Part(other, 100)) as (engine, _):
        await collect(engine.submit(GenerateRequest(prompt(50), 400, SamplingParams(temperature=0))))
        assert engine.stats().draft_tokens < 60
        assert part.passes < 80


async def test_a_conversation_is_not_read_again(model: PagedModel, same: PagedModel) -> None:
    request = GenerateRequest(prompt(500), 40, SamplingParams(temperature=0))
    async with drafting(model, part := Part(same, 100)) as (engine, _):
        await collect(engine.submit(request))
        first, part.tokens = part.tokens, 0
        await collect(engine.submit(request))
        assert part.tokens <= first - 400


class FailingPart(Part):
    """Fails at its third pass."""

    def run(self, *arguments):  # type: ignore[no-untyped-def]
        if self.passes == 3:
            self.passes += 1
            raise RuntimeError("broken")
        return super().run(*arguments)  # type: ignore[no-untyped-call]


class LostPart(FailingPart):
    """Cannot be restarted either."""

    def restart(self) -> None:
        raise RuntimeError("no device")


@pytest.mark.parametrize("kind", [FailingPart, LostPart])
async def test_a_failure_of_the_draft_model_fails_no_request(
    model: PagedModel, same: PagedModel, kind: type[FailingPart]
) -> None:
    wanted = [GenerateRequest(prompt(40), 60, SamplingParams(temperature=0))]
    expected = await single_steps(model, wanted)
    async with drafting(model, part := kind(same, 100)) as (engine, _):
        [found] = await asyncio.wait_for(answers(engine, wanted), 60)
        assert [token.token for token in found] == expected[0]
        assert part.passes > 4
        assert engine.stats().restarts == 0
