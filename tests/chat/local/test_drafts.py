"""Drafts in answers of a served model with its default options. Steps are counted, since time depends on machines."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import gguf
import pytest

from benchmarks.load.successor import cycle, quoting_prompt, write_successor_model
from forefront.chat.local.loading import ModelOptions, load_backend
from forefront.chat.local.local_backend import LocalBackend
from forefront.engine.engine import Engine
from forefront.fairness.tenant import NO_TENANT
from forefront.wire.completions.request import CompletionRequest
from tests.support.models.loaded import load_parts

LENGTH, ANSWER = 200, 96


@pytest.fixture(scope="module")
def quoting_gguf(tiny_gguf: Path) -> Path:
    """The tiny model, whose answers quote their prompts."""
    return write_successor_model(tiny_gguf)


@pytest.fixture
async def backend(quoting_gguf: Path, tmp_path: Path) -> AsyncIterator[LocalBackend]:
    backend = load_backend(load_parts(quoting_gguf, tmp_path, exact=False), ModelOptions(contexts=8))
    assert isinstance(backend._engine, Engine)
    backend._engine._clock = lambda: 0.0  # budgets and prices without measurements
    backend.start()
    yield backend
    await backend.close()


def quoting(path: Path, number: int, **fields: object) -> CompletionRequest:
    prompt = quoting_prompt(cycle(gguf.GGUFReader(path)), random.Random(number), LENGTH, ANSWER)
    return CompletionRequest(model="m", prompt=prompt, max_tokens=ANSWER, ignore_eos=True, **fields)  # type: ignore[arg-type]


async def answer(backend: LocalBackend, request: CompletionRequest) -> None:
    prepared = await backend.prepare(request, NO_TENANT)
    async for _ in backend.run(prepared).events:
        pass


@pytest.mark.parametrize("temperature", [0.0, 0.05])
@pytest.mark.parametrize("streams", [1, 4])
async def test_quoting_the_prompt_takes_few_steps(
    backend: LocalBackend, quoting_gguf: Path, streams: int, temperature: float
) -> None:
    requests = [quoting(quoting_gguf, number, temperature=temperature) for number in range(streams)]
    await asyncio.gather(*(answer(backend, request) for request in requests))
    stats = backend.stats()
    assert stats.tokens_sampled == streams * ANSWER
    assert stats.accepted_tokens > streams * ANSWER // 3
    assert stats.steps < ANSWER * 2 // 3 + 8  # prompts take the other steps


async def test_a_seed_of_the_client_prevents_drafts(backend: LocalBackend, quoting_gguf: Path) -> None:
    await answer(backend, quoting(quoting_gguf, 0, seed=1, temperature=0.0))
    stats = backend.stats()
    assert (stats.tokens_sampled, stats.drafts) == (ANSWER, 0)
