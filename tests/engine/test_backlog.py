"""Generations that are not read: paused, resumed, bounded per tenant."""

import asyncio

import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant
from tests.engine.engines import CONTEXT, EXACT, GREEDY, ask, collect, prompt, small, tokens_of


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


async def test_an_unread_answer_pauses_and_resumes(model: PagedModel) -> None:
    """It gives its slot to others meanwhile, although there is only one."""
    wanted = await alone(model, 12, 1500)
    engine = small(model, 64, SchedulerLimits(max_running=1), paced=True)
    engine._unread = Quota(600)
    unread = ask(engine, 12, 1500)
    while not engine._paused:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    stopped = engine.stats()
    assert (stopped.running, stopped.waiting, stopped.blocks_held) == (0, 0, 0)
    assert stopped.tokens_sampled < 800
    assert len(await tokens_of(ask(engine, 20, 10, seed=1))) == 10
    assert engine.stats().tokens_sampled == stopped.tokens_sampled + 10
    assert await tokens_of(unread) == wanted
    assert engine._unread.free == 600
    await engine.stop()


async def test_cancelling_a_paused_answer_leaves_no_state(model: PagedModel) -> None:
    engine = small(model, 64, paced=True)
    engine._unread = Quota(600)
    unread = engine.submit(GenerateRequest(prompt(12), 500, GREEDY, n=4))
    while not engine._paused:
        await asyncio.sleep(0.01)
    sampled = await unread.aclose()
    assert 256 < sampled < 1500
    assert not engine._paused
    assert not engine._live
    assert engine._unread.free == 600
    await engine.stop()


async def test_log_probabilities_count_as_unread_too(model: PagedModel) -> None:
    engine = small(model, 64, paced=True)
    engine._unread = Quota(2000)
    unread = ask(engine, 12, 500, sampling=SamplingParams(temperature=0, top_logprobs=20))
    while not engine._paused:
        await asyncio.sleep(0.01)
    assert engine.stats().tokens_sampled < 100
    assert len(await tokens_of(unread)) == 500
    await engine.stop()


async def test_unread_output_of_other_requests_does_not_pause_a_reader(model: PagedModel) -> None:
    engine = small(model, 64, paced=True)
    engine._unread = Quota(600)
    unread = [ask(engine, 12, 500, seed=n) for n in range(3)]
    while len(engine._paused) < 3:
        await asyncio.sleep(0.01)
    assert len(await tokens_of(ask(engine, 12, 400, seed=9))) == 400
    for generation in unread:
        await generation.aclose()
    await engine.stop()


async def test_a_tenant_with_thousands_of_sequences_leaves_others_their_share(model: PagedModel) -> None:
    engine = small(model, 64, SchedulerLimits(max_running=16), paced=True)
    greedy = [
        engine.submit(GenerateRequest(prompt(20, n), 400, SamplingParams(seed=1), n=16, tenant=Tenant("greedy")))
        for n in range(64)
    ]
    while engine.stats().running < 16:
        await asyncio.sleep(0.01)
    before = engine.stats().tokens_sampled
    others = [GenerateRequest(prompt(20, 99), 20, GREEDY, n=4, tenant=Tenant("modest")) for _ in range(2)]
    answers = await asyncio.gather(*(collect(engine.submit(request)) for request in others))
    assert [len(tokens) for tokens in answers] == [80, 80]
    assert engine.stats().tokens_sampled - before < 5000  # of 409,600
    for generation in greedy:
        await generation.aclose()
    assert not engine._live
    await engine.stop()


async def alone(model: PagedModel, length: int, max_tokens: int) -> list[int]:
    """The tokens of a greedy answer by a separate engine."""
    engine = small(model, 64)
    tokens = await tokens_of(ask(engine, length, max_tokens))
    await engine.stop()
    return tokens
