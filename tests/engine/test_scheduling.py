"""Budgets and shared prompts on a real model, whose passes take a computed time: no output depends on them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.generation import Generation
from forefront.engine.model.logits import Logits
from forefront.engine.model.model import PagedModel
from forefront.engine.model.step_inputs import SequenceInput
from forefront.engine.request import GenerateRequest
from forefront.engine.scheduling.scheduler import SchedulerLimits
from tests.engine.engines import CONTEXT, EXACT, GREEDY, ask, prompt, tokens_of


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, CONTEXT, EXACT)


class TimedModel:
    """A model whose pass over n tokens takes 2 + n / 10 milliseconds, on its own clock."""

    def __init__(self, model: PagedModel) -> None:
        self._model = model
        self.block_size, self.block_count = model.block_size, model.block_count
        self.context_length, self.vocabulary_size = model.context_length, model.vocabulary_size
        self.copy_block, self.restart = model.copy_block, model.restart
        self.now = 0.0
        self.passes: list[list[int]] = []  # lengths of each pass

    def run(self, sequences: Sequence[SequenceInput], rows: Sequence[int], temperatures: Sequence[float]) -> Logits:
        self.passes.append([len(sequence.tokens) for sequence in sequences])
        self.now += 2e-3 + sum(self.passes[-1]) / 1e4
        return self._model.run(sequences, rows, temperatures)


@asynccontextmanager
async def running(model: TimedModel, target: float) -> AsyncIterator[Engine]:
    engine = Engine(model, SchedulerLimits(inter_token_latency=target), clock=lambda: model.now)
    engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def answers(engine: Engine) -> list[list[int]]:
    """Four short prompts, and long ones once those decode."""
    short: list[Generation] = [ask(engine, 20 + number, 300, seed=number) for number in range(4)]
    streams = [asyncio.create_task(tokens_of(generation)) for generation in short]
    long = [await tokens_of(ask(engine, 1500, 5, seed=10 + number)) for number in range(2)]
    return long + list(await asyncio.gather(*streams))


async def test_passes_beside_decodes_meet_the_target_and_change_no_output(model: PagedModel) -> None:
    outputs = []
    for target in (0.008, 0.03):
        timed = TimedModel(model)
        async with running(timed, target) as engine:
            outputs.append(await answers(engine))
        # After the first, untrusted ones.
        chunks = [sum(lengths) for lengths in timed.passes if len(lengths) > 4 and max(lengths) > 1][8:]
        fitting = (target - 2e-3) * 1e4
        assert max(chunks) <= fitting * 1.05
        assert max(chunks) >= 0.6 * fitting
    assert outputs[0] == outputs[1]


async def test_equal_prompts_that_arrive_together_are_computed_once(model: PagedModel) -> None:
    timed = TimedModel(model)
    async with running(timed, 0.1) as engine:
        alone = await tokens_of(engine.submit(GenerateRequest(prompt(600, 3), 8, GREEDY)))
        computed = sum(map(sum, timed.passes))
        together = [engine.submit(GenerateRequest(prompt(600, 4), 8, GREEDY)) for _ in range(6)]
        texts = await asyncio.gather(*(tokens_of(generation) for generation in together))
    assert all(text == texts[0] for text in texts)
    assert len(alone) == len(texts[0]) == 8
    # 18 full blocks once; the rest of the prompt, and seven tokens of output, for each.
    assert sum(map(sum, timed.passes)) - computed == 576 + 6 * (24 + 7)
    assert sorted(generation.cached_tokens for generation in together) == [0] + [576] * 5
