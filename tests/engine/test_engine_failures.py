"""Failing steps, failing restarts, and the end of the engine."""

import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.errors import EngineStoppedError, StepFailedError
from forefront.engine.model.model import PagedModel
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from tests.engine.engines import CONTEXT, EXACT, ask, collect, small, tokens_of, until_idle


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


async def test_a_failing_step_ends_its_requests_with_one_error_each(
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


async def test_blocks_of_a_failed_step_are_not_reused(model: PagedModel, caplog: pytest.LogCaptureFixture) -> None:
    """Blocks, prefixes that were found in the cache, OpenVINO's request: all of it is new, and answers as before."""
    engine = small(model, 100)
    try:
        expected = await tokens_of(ask(engine, 90, 20))
        schedule = engine._scheduler.schedule

        def break_down() -> list[ScheduledChunk]:
            engine._scheduler.running[0].block_table.extend([7])  # of another sequence
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


async def test_restarting_a_failed_model_is_retried(model: PagedModel, caplog: pytest.LogCaptureFixture) -> None:
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


async def test_a_failing_command_ends_live_generations_but_not_the_engine(
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


async def test_stopping_ends_running_calls_and_refuses_new_ones(model: PagedModel) -> None:
    engine = small(model, 100)
    generation = ask(engine, 40, 1000)
    async for _ in generation:
        break
    await engine.stop()
    with pytest.raises(EngineStoppedError):
        await collect(generation)
    with pytest.raises(EngineStoppedError):
        ask(engine, 10, 1)
