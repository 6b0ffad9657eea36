"""The whole engine on a real, tiny, random model, against an independent forward pass in NumPy."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.errors import ContextExceededError, EngineStoppedError, StepFailedError
from forefront.engine.generation import Generation, Token
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, Sampling
from forefront.engine.scheduling.scheduler import Chunk, Limits
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant
from tests.support.reference import ReferenceModel

CONTEXT = 2048
GREEDY = Sampling(temperature=0)
# All that the engine rounds and the reference does not is switched off, so that only the structure is compared.
EXACT = ModelOptions(contexts=4, kv_precision="f32", quantize_activations=False)


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


def small(model: PagedModel, blocks: int, limits: Limits | None = None) -> Engine:
    """An engine that may use only so many of the model's blocks."""

    class Part:
        block_size = model.block_size
        block_count = blocks
        context_length = model.context_length
        vocabulary_size = model.vocabulary_size
        run = staticmethod(model.run)
        copy_block = staticmethod(model.copy_block)
        restart = staticmethod(model.restart)

    engine = Engine(Part(), limits)
    engine.start()
    return engine


def prompt(length: int, seed: int = 0) -> list[int]:
    chance = random.Random(seed)
    return [chance.randrange(3, 500) for _ in range(length)]


def ask(engine: Engine, length: int, max_tokens: int, *, seed: int = 0, sampling: Sampling = GREEDY) -> Generation:
    return engine.submit(GenerateRequest(prompt(length, seed), max_tokens, sampling))


async def collect(generation: Generation) -> list[Token]:
    return [token for tokens in [batch async for batch in generation] for token in tokens]


async def tokens_of(generation: Generation) -> list[int]:
    return [token.token for token in await collect(generation)]


async def until_idle(engine: Engine) -> None:
    """At most a second, as promised for cancelled work."""
    for _ in range(100):
        stats = engine.stats()
        if not stats.running and not stats.waiting and not stats.blocks_held:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(engine.stats())


async def disagreement(engine: Engine, reference: ReferenceModel, length: int) -> list[float]:
    """Differences in the log-probabilities of the top five tokens at each place of a greedy answer of 40."""
    sampling = Sampling(temperature=0, top_logprobs=5)
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


async def test_alone_or_in_a_crowd_the_answer_is_the_same(engine: Engine) -> None:
    alone = [await tokens_of(ask(engine, 20 + n, 24, seed=n)) for n in range(12)]
    crowd = await asyncio.gather(*(tokens_of(ask(engine, 20 + n, 24, seed=n)) for n in range(12)))
    assert crowd == alone


async def test_a_cached_prefix_is_not_computed_again_and_changes_nothing(engine: Engine) -> None:
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
        request = GenerateRequest(prompt(330, 3), 20, Sampling(seed=1), n=4)
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


async def test_a_seed_repeats_an_answer_whatever_else_runs(engine: Engine) -> None:
    sampling = Sampling(temperature=1.0, top_p=0.95, seed=42)
    alone = await tokens_of(ask(engine, 30, 30, sampling=sampling))
    noise = [ask(engine, 50, 40, seed=n, sampling=Sampling()) for n in range(5)]
    again = await tokens_of(ask(engine, 30, 30, sampling=sampling))
    await asyncio.gather(*(collect(generation) for generation in noise))
    assert again == alone
    assert await tokens_of(ask(engine, 30, 30, sampling=Sampling(top_p=0.95, seed=43))) != alone


async def test_cancelling_neighbours_leaves_the_third_answer_as_it_is(model: PagedModel) -> None:
    engine = small(model, 200, Limits(running=2))
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


async def test_what_can_never_fit_is_refused_with_its_numbers(engine: Engine, model: PagedModel) -> None:
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


async def test_a_failing_step_ends_its_requests_with_one_error_and_the_engine_goes_on(
    model: PagedModel, caplog: pytest.LogCaptureFixture
) -> None:
    engine = small(model, 100)
    run = engine._model.run
    try:
        generations = [ask(engine, 40, 500, seed=n) for n in range(3)]
        async for _ in generations[0]:
            break

        def fail(*_: object) -> None:
            raise RuntimeError("out of luck")

        engine._model.run = fail  # type: ignore[method-assign,assignment]
        for generation in generations[1:]:
            with pytest.raises(StepFailedError):
                await collect(generation)
        engine._model.run = run  # type: ignore[method-assign]
        await until_idle(engine)
        assert len(await tokens_of(ask(engine, 40, 10))) == 10
        assert "out of luck" in caplog.text
    finally:
        await engine.stop()


async def test_what_a_failure_left_behind_is_not_used_again(
    model: PagedModel, caplog: pytest.LogCaptureFixture
) -> None:
    """Blocks, prefixes that were found in the cache, OpenVINO's request: all of it is new, and answers as before."""
    engine = small(model, 100)
    try:
        expected = await tokens_of(ask(engine, 90, 20))
        schedule = engine._scheduler.schedule

        def break_down() -> list[Chunk]:
            engine._scheduler.running[0].blocks.append(7)  # somebody else's
            schedule()
            raise MemoryError("out of blocks")

        engine._scheduler.schedule = break_down  # type: ignore[method-assign]
        with pytest.raises(StepFailedError):
            await collect(ask(engine, 90, 20))
        await until_idle(engine)
        assert engine.stats().restarts == 1
        again = ask(engine, 90, 20)
        assert await tokens_of(again) == expected
        assert again.cached_tokens == 0
    finally:
        await engine.stop()


async def test_a_model_that_cannot_be_restarted_is_tried_again(
    model: PagedModel, caplog: pytest.LogCaptureFixture
) -> None:
    engine = small(model, 100)
    run, restart, tries = engine._model.run, engine._model.restart, []

    def fail(*_: object) -> None:
        raise RuntimeError("out of luck")

    def fail_to_restart() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("no memory")
        engine._model.run = run  # type: ignore[method-assign]
        restart()

    engine._model.run, engine._model.restart = fail, fail_to_restart  # type: ignore[method-assign,assignment]
    try:
        for _ in range(3):
            with pytest.raises(StepFailedError):
                await collect(ask(engine, 40, 10))
        assert len(await tokens_of(ask(engine, 40, 10))) == 10
        assert "no memory" in caplog.text
    finally:
        await engine.stop()


async def test_a_command_that_fails_ends_what_is_live_and_not_the_engine(
    model: PagedModel, caplog: pytest.LogCaptureFixture
) -> None:
    engine = small(model, 100)
    try:
        generation = ask(engine, 40, 1000)
        engine._commands.put(lambda: [][0])
        with pytest.raises(StepFailedError):
            await collect(generation)
        assert len(await tokens_of(ask(engine, 40, 10))) == 10
    finally:
        await engine.stop()


async def test_stopping_ends_what_runs_and_refuses_what_comes(model: PagedModel) -> None:
    engine = small(model, 100)
    generation = ask(engine, 40, 1000)
    async for _ in generation:
        break
    await engine.stop()
    with pytest.raises(EngineStoppedError):
        await collect(generation)
    with pytest.raises(EngineStoppedError):
        ask(engine, 10, 1)


async def test_an_answer_that_is_not_read_pauses_and_goes_on_where_it_was(model: PagedModel) -> None:
    """It gives its slot to others meanwhile, although there is only one."""
    wanted = await alone(model, 12, 1500)
    engine = small(model, 64, Limits(running=1))
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


async def test_a_paused_answer_that_is_cancelled_leaves_nothing(model: PagedModel) -> None:
    engine = small(model, 64)
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
    engine = small(model, 64)
    engine._unread = Quota(2000)
    unread = ask(engine, 12, 500, sampling=Sampling(temperature=0, top_logprobs=20))
    while not engine._paused:
        await asyncio.sleep(0.01)
    assert engine.stats().tokens_sampled < 100
    assert len(await tokens_of(unread)) == 500
    await engine.stop()


async def test_a_reader_is_not_paused_for_what_others_of_its_tenant_leave_unread(model: PagedModel) -> None:
    engine = small(model, 64)
    engine._unread = Quota(600)
    unread = [ask(engine, 12, 500, seed=n) for n in range(3)]
    while len(engine._paused) < 3:
        await asyncio.sleep(0.01)
    assert len(await tokens_of(ask(engine, 12, 400, seed=9))) == 400
    for generation in unread:
        await generation.aclose()
    await engine.stop()


async def test_a_tenant_with_thousands_of_sequences_leaves_the_others_their_part(model: PagedModel) -> None:
    engine = small(model, 64, Limits(running=16))
    greedy = [
        engine.submit(GenerateRequest(prompt(20, n), 400, Sampling(seed=1), n=16, tenant=Tenant("greedy")))
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
    """The tokens of a greedy answer by an engine of its own."""
    engine = small(model, 64)
    tokens = await tokens_of(ask(engine, length, max_tokens))
    await engine.stop()
    return tokens
