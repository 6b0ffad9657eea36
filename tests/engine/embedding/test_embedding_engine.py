"""The embedding engine with a model that notes its batches."""

import asyncio
import threading
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from forefront.engine.embedding.embedding_engine import EmbeddingEngine
from forefront.engine.embedding.embedding_graph import Floats
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.errors import EngineStoppedError, StepFailedError
from forefront.fairness.tenant import Tenant


class NotingModel:
    """Its vectors are the first tokens. A batch waits for `gate`; one with the token 666 fails."""

    context_length = 1024

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def close(self) -> None:
        """Nothing has to be."""

    def run(self, batch: Sequence[EmbeddingInput]) -> Floats:
        self.gate.wait(60)
        self.batches.append([len(entry.tokens) for entry in batch])
        first = [entry.tokens[0] for entry in batch]
        if 666 in first:
            raise RuntimeError("no")
        return np.array(first, np.float32)[:, None]


def inputs(*firsts: int, length: int = 4) -> list[EmbeddingInput]:
    return [EmbeddingInput([first] + [1] * (length - 1)) for first in firsts]


async def test_vectors_come_in_order() -> None:
    model = NotingModel()
    engine = EmbeddingEngine(model)
    engine.start()
    mixed = [EmbeddingInput([n] * (1 + n * 7 % 50)) for n in range(1, 200)]
    vectors = await engine.submit(mixed, Tenant("a")).vectors
    assert [int(vector[0]) for vector in vectors] == list(range(1, 200))
    assert max(map(len, model.batches)) <= 64
    await engine.stop()


async def test_tenants_take_turns() -> None:
    model = NotingModel()
    engine = EmbeddingEngine(model)
    engine.start()
    model.gate.clear()
    large = engine.submit(inputs(*range(1, 400), length=512), Tenant("large"))
    small = engine.submit(inputs(7), Tenant("small"))
    done: list[str] = []
    large.vectors.add_done_callback(lambda _: done.append("large"))
    small.vectors.add_done_callback(lambda _: done.append("small"))
    model.gate.set()
    await asyncio.gather(small.vectors, large.vectors)
    assert done == ["small", "large"]
    assert next(index for index, lengths in enumerate(model.batches) if 4 in lengths) < 20  # of a hundred
    await engine.stop()


async def test_a_failed_batch_is_one_error_and_the_next_request_succeeds() -> None:
    engine = EmbeddingEngine(NotingModel())
    engine.start()
    with pytest.raises(StepFailedError):
        await engine.submit(inputs(1, 666, 2), Tenant("a")).vectors
    assert len(await engine.submit(inputs(3), Tenant("a")).vectors) == 1
    await engine.stop()


async def test_a_cancelled_job_is_not_computed() -> None:
    model = NotingModel()
    engine = EmbeddingEngine(model)
    engine.start()
    model.gate.clear()
    first = engine.submit(inputs(1), Tenant("a"))
    while not engine.stats().running:
        await asyncio.sleep(0.001)
    waiting = engine.submit(inputs(*range(2, 50)), Tenant("a"))
    engine.cancel(waiting)
    assert engine.stats().waiting == 0
    model.gate.set()
    await first.vectors
    await engine.stop()
    assert sum(map(len, model.batches)) == 1


async def test_stopping_ends_waiting_calls() -> None:
    model = NotingModel()
    engine = EmbeddingEngine(model)
    engine.start()
    model.gate.clear()
    job = engine.submit(inputs(*range(1, 500), length=512), Tenant("a"))
    stopping = asyncio.create_task(engine.stop())
    await asyncio.sleep(0)
    model.gate.set()
    await stopping
    with pytest.raises(EngineStoppedError):
        await job.vectors
    with pytest.raises(EngineStoppedError):
        engine.submit(inputs(1), Tenant("a"))


def test_waiting_tokens_take_four_bytes_each() -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    inputs = [EmbeddingInput(list(range(300, 1300))) for _ in range(100)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(inputs) == 100
    assert after - before < 5 * 100 * 1000


class CountingCondition(threading.Condition):
    """Counts the items that are taken each time that it is held."""

    taken = longest = 0

    def __enter__(self) -> bool:
        entered = super().__enter__()
        self.taken = 0
        return entered


async def test_many_short_inputs_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop waits for the lock under which they are taken."""
    engine, counting = EmbeddingEngine(NotingModel()), CountingCondition()
    start_next = engine._queue.start_next

    def start() -> object:
        counting.taken += 1
        counting.longest = max(counting.longest, counting.taken)
        return start_next()

    monkeypatch.setattr(engine, "_changed", counting)
    monkeypatch.setattr(engine._queue, "start_next", start)
    engine.start()
    vectors = await engine.submit(inputs(*range(1, 600), length=1), Tenant("a")).vectors
    await engine.stop()
    assert len(vectors) == 599
    assert 0 < counting.longest <= 257
