"""Engines on a tiny model, and requests to them, for tests."""

import asyncio
import random
from typing import Any

from forefront.engine.engine import Engine
from forefront.engine.generation import Generation, Token
from forefront.engine.model.logits import Logits
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.scheduler import SchedulerLimits

CONTEXT = 2048
GREEDY = SamplingParams(temperature=0)
# Without the engine's roundings, which the reference does not have, so that only the structure is compared.
EXACT = ModelOptions(contexts=4, kv_precision="f32", quantize_activations=False)


def small(model: PagedModel, blocks: int, limits: SchedulerLimits | None = None, *, paced: bool = False) -> Engine:
    """An engine that may use only so many of the model's blocks. When `paced`, a step waits until the event loop has
    received the tokens of the steps before it, so the engine is never far ahead of what the loop decides."""
    loop = asyncio.get_running_loop()

    def run(*arguments: Any) -> Logits:
        if paced:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        return model.run(*arguments)

    class Part:
        block_size = model.block_size
        block_count = blocks
        context_length = model.context_length
        vocabulary_size = model.vocabulary_size
        copy_block = staticmethod(model.copy_block)
        restart = staticmethod(model.restart)

    part: Any = Part()
    part.run = run
    engine = Engine(part, limits)
    engine.start()
    return engine


def prompt(length: int, seed: int = 0) -> list[int]:
    chance = random.Random(seed)
    return [chance.randrange(3, 500) for _ in range(length)]


def ask(
    engine: Engine, length: int, max_tokens: int, *, seed: int = 0, sampling: SamplingParams = GREEDY
) -> Generation:
    return engine.submit(GenerateRequest(prompt(length, seed), max_tokens, sampling))


async def collect(generation: Generation) -> list[Token]:
    return [token for tokens in [batch async for batch in generation] for token in tokens]


async def tokens_of(generation: Generation) -> list[int]:
    return [token.token for token in await collect(generation)]


async def until_idle(engine: Engine) -> None:
    """Return once it runs nothing and holds nothing. A second is promised; the machine of the tests may be busy."""
    async with asyncio.timeout(30):
        while (stats := engine.stats()).running or stats.waiting or stats.blocks_held:
            await asyncio.sleep(0.01)
