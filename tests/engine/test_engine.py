"""The whole engine on a real, tiny, random model, against an independent forward pass in NumPy."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.errors import ContextExceededError
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.fairness.tenant import Tenant
from tests.engine.engines import CONTEXT, EXACT, GREEDY, ask, collect, prompt, small, tokens_of, until_idle
from tests.support.models.reference import ReferenceModel


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


@pytest.fixture(scope="module")
def reference(tiny_gguf: Path) -> ReferenceModel:
    return ReferenceModel(tiny_gguf)


@pytest.fixture
async def engine(model: PagedModel) -> AsyncIterator[Engine]:
    engine = Engine(model)
    engine.start()
    yield engine
    await engine.stop()


async def disagreement(engine: Engine, reference: ReferenceModel, length: int) -> list[float]:
    """Differences in the log-probabilities of the top five tokens at each place of a greedy answer of 40."""
    sampling = SamplingParams(temperature=0, top_logprobs=5)
    tokens = await collect(ask(engine, length, 40, seed=length, sampling=sampling))
    exact = reference.logprobs(prompt(length, length) + [token.token for token in tokens])
    return [
        abs(float(exact[place][entry.token]) - entry.logprob)
        for place, token in enumerate(tokens, start=length - 1)
        for entry in token.top
    ]


@pytest.mark.parametrize("length", [1, 31, 32, 33, 300])
async def test_log_probabilities_are_the_references(engine: Engine, reference: ReferenceModel, length: int) -> None:
    """Over chunked prefill, paged decode and block borders."""
    assert max(await disagreement(engine, reference, length)) < 5e-4


@pytest.mark.slow
async def test_greedy_tokens_are_the_references(engine: Engine, reference: ReferenceModel) -> None:
    assert await tokens_of(ask(engine, 48, 64, seed=5)) == reference.greedy(prompt(48, 5), 64)


async def test_the_rounding_that_is_served_by_default_stays_small(
    tiny_parts: ModelParts, reference: ReferenceModel
) -> None:
    """8-bit activations and KV cache: 0.1 to 0.15 on average here, where logits have a deviation of 4."""
    engine = Engine(PagedModel(tiny_parts.graph, CONTEXT, ModelOptions(contexts=2)))
    engine.start()
    try:
        errors = [await disagreement(engine, reference, length) for length in (31, 300)]
        assert max(float(np.mean(error)) for error in errors) < 0.3
    finally:
        await engine.stop()


async def test_an_answer_is_the_same_alone_and_in_a_batch(engine: Engine) -> None:
    alone = [await tokens_of(ask(engine, 20 + n, 24, seed=n)) for n in range(12)]
    crowd = await asyncio.gather(*(tokens_of(ask(engine, 20 + n, 24, seed=n)) for n in range(12)))
    assert crowd == alone


async def test_a_cached_prefix_is_not_recomputed_and_changes_no_output(engine: Engine) -> None:
    first = ask(engine, 200, 20)
    cold = await tokens_of(first)
    second = ask(engine, 200, 20)
    warm = await tokens_of(second)
    assert (first.cached_tokens, second.cached_tokens) == (0, 192)
    assert warm == cold


async def test_an_answer_can_be_continued_from_the_cache(engine: Engine) -> None:
    answer = await tokens_of(ask(engine, 50, 60, seed=9))
    longer = engine.submit(GenerateRequest(prompt(50, 9) + answer + [7], 1, GREEDY))
    await tokens_of(longer)
    assert longer.cached_tokens == 96


async def test_tenants_do_not_share_the_cache(engine: Engine) -> None:
    for tenant in (Tenant("one"), Tenant("other")):
        generation = engine.submit(GenerateRequest(prompt(100, 77), 2, GREEDY, tenant=tenant))
        await tokens_of(generation)
        assert generation.cached_tokens == 0


async def test_preempted_sequences_give_the_same_answers(model: PagedModel) -> None:
    roomy, tight = small(model, 200), small(model, 14)
    try:
        expected = [await tokens_of(ask(roomy, 40, 100, seed=n)) for n in range(6)]
        given = await asyncio.gather(*(tokens_of(ask(tight, 40, 100, seed=n)) for n in range(6)))
        assert tight.stats().preemptions > 0
        assert given == expected
        assert all(len(answer) == 100 for answer in given)
        await until_idle(tight)
    finally:
        await roomy.stop()
        await tight.stop()


async def test_continuations_share_the_prompts_blocks(model: PagedModel) -> None:
    engine = small(model, 100)
    try:
        request = GenerateRequest(prompt(330, 3), 20, SamplingParams(seed=1), n=4)
        held = 0
        answers: dict[int, list[int]] = {}
        async for tokens in engine.submit(request):
            held = max(held, engine.stats().blocks_held)
            for token in tokens:
                answers.setdefault(token.choice, []).append(token.token)
        # Ten full blocks once, and the last, partly filled one for each of the four.
        assert held == 10 + 4
        assert [len(answers[choice]) for choice in range(4)] == [20] * 4
        assert len({tuple(answer) for answer in answers.values()}) > 1
        await until_idle(engine)
    finally:
        await engine.stop()


async def test_greedy_continuations_are_all_the_single_answer(engine: Engine) -> None:
    alone = await tokens_of(ask(engine, 45, 16, seed=4))
    tokens = await collect(engine.submit(GenerateRequest(prompt(45, 4), 16, GREEDY, n=3)))
    for choice in range(3):
        assert [token.token for token in tokens if token.choice == choice] == alone


async def test_a_seed_repeats_an_answer_under_any_load(engine: Engine) -> None:
    sampling = SamplingParams(temperature=1.0, top_p=0.95, seed=42)
    alone = await tokens_of(ask(engine, 30, 30, sampling=sampling))
    noise = [ask(engine, 50, 40, seed=n, sampling=SamplingParams()) for n in range(5)]
    again = await tokens_of(ask(engine, 30, 30, sampling=sampling))
    await asyncio.gather(*(collect(generation) for generation in noise))
    assert again == alone
    assert await tokens_of(ask(engine, 30, 30, sampling=SamplingParams(top_p=0.95, seed=43))) != alone


async def test_cancelling_other_requests_changes_no_answer(model: PagedModel) -> None:
    engine = small(model, 200, SchedulerLimits(max_running=2))
    try:
        expected = await tokens_of(ask(engine, 60, 50, seed=1))
        third = ask(engine, 60, 50, seed=1)
        running = ask(engine, 60, 1000, seed=2)
        queued = ask(engine, 60, 50, seed=3)
        async for _ in running:
            queued.cancel()
            running.cancel()
            break
        assert await tokens_of(third) == expected
        await until_idle(engine)
    finally:
        await engine.stop()


async def test_cancelled_work_frees_everything_within_a_second(engine: Engine) -> None:
    generations = [ask(engine, 100, 1500, seed=n) for n in range(20)]
    async for _ in generations[0]:
        break
    for generation in generations:
        generation.cancel()
        generation.cancel()
    await until_idle(engine)


async def test_an_oversized_request_is_refused_with_its_numbers(engine: Engine, model: PagedModel) -> None:
    with pytest.raises(ContextExceededError) as refused:
        ask(engine, 2000, 100)
    assert (refused.value.prompt, refused.value.max_tokens, refused.value.limit) == (2000, 100, CONTEXT)
    assert refused.value.excess == 52
    tight = small(model, 4)
    try:
        assert tight.context_limit == 128
        with pytest.raises(ContextExceededError):
            ask(tight, 100, 29)
        assert len(await tokens_of(ask(tight, 100, 28))) == 28
    finally:
        await tight.stop()


async def test_the_whole_context_can_be_used(engine: Engine) -> None:
    assert len(await tokens_of(ask(engine, 1990, CONTEXT - 1990))) == CONTEXT - 1990


async def test_a_stop_token_ends_the_answer(engine: Engine) -> None:
    answer = await tokens_of(ask(engine, 25, 20, seed=6))
    stop = answer[7]
    tokens = await collect(engine.submit(GenerateRequest(prompt(25, 6), 20, GREEDY, stop_tokens=frozenset({stop}))))
    assert [token.token for token in tokens] == answer[: answer.index(stop) + 1]
    assert [token.finish for token in tokens if token.finish] == ["stop"]
