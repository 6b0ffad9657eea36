"""Vectors from replicas in other processes: the same as of the engine itself, and other replicas after a loss."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from forefront.chat.local.loading import EmbeddingEngineParts
from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.remote_embedding_engine import RemoteEmbeddingEngine
from forefront.cluster.protocol.vector_codec import Floats
from forefront.cluster.replica.running_replica import load_replica
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.errors import EngineStoppedError, EngineUnavailableError, StepFailedError
from forefront.fairness.tenant import Tenant
from tests.cluster.replicas import OPTIONS, Replica, spec_of
from tests.support.models.random_encoder import ENCODERS, write_encoder

TENANT = Tenant("project")
Start = Callable[..., Replica]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def encoder(home: Path) -> Path:
    """A model with segments."""
    path = home / "encoder.gguf"
    write_encoder(path, ENCODERS["bert, mean"])
    return path


@pytest.fixture(scope="module")
def local(encoder: Path, home: Path) -> Iterator[Callable[[Sequence[EmbeddingInput]], Floats]]:
    """The vectors of this process."""
    parts = load_replica(spec_of(encoder, home))[0].parts
    assert isinstance(parts, EmbeddingEngineParts)
    model = parts.engine._model
    yield lambda batch: np.concatenate([model.run([entry]) for entry in batch])
    model.close()


@pytest.fixture
def start(encoder: Path, home: Path) -> Iterator[Start]:
    """Starts replicas for one test."""
    started: list[Replica] = []

    def begin(exact: bool = True) -> Replica:
        options = replace(OPTIONS, quantize_activations=not exact)
        started.append(Replica(msgspec.structs.replace(spec_of(encoder, home), options=options)))
        return started[-1]

    yield begin
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def pair(encoder: Path, home: Path) -> Iterator[list[Replica]]:
    """Two replicas that no test ends."""
    replicas = [Replica(spec_of(encoder, home)) for _ in range(2)]
    yield replicas
    for each in replicas:
        each.close()


def texts(count: int, seed: int = 0) -> list[EmbeddingInput]:
    chance = random.Random(seed)
    lengths = [chance.randrange(2, 20) for _ in range(count)]
    tokens = [[chance.randrange(3, 280) for _ in range(length)] for length in lengths]
    return [EmbeddingInput(each, chance.choice([None, len(each) // 2])) for each in tokens]


@asynccontextmanager
async def engine_on(
    replicas: Sequence[Replica], *, migrations: int = 3, start: float = 20.0
) -> AsyncIterator[RemoteEmbeddingEngine]:
    """An engine connected to these replicas."""
    identity = replicas[0].address.identity
    model = RemoteModel(identity.context_limit, identity.vocabulary_size, identity.text, identity.width)
    engine = RemoteEmbeddingEngine(model, RemoteLimits(migrations, 20.0, start))
    engine.start()
    engine.set_replicas([each.address for each in replicas])
    try:
        await until(lambda: engine.pool.capacity() >= 64 * len(replicas))
        yield engine
    finally:
        await engine.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def requests(engine: RemoteEmbeddingEngine) -> list[int]:
    """The running parts of each replica, the fewest first."""
    return sorted(each.requests for each in engine.dispatcher.router.replicas())


async def test_the_vectors_of_the_engine_itself(
    pair: list[Replica], local: Callable[[Sequence[EmbeddingInput]], Floats]
) -> None:
    batch = texts(150)
    async with engine_on(pair) as engine:
        found = await engine.vectors(batch, TENANT)
        assert requests(engine) == [0, 0]
        assert engine.stats().tokens_sampled == sum(len(entry.tokens) for entry in batch)
        # The heartbeat after the request.
        await until(lambda: all(load.work == 0 for load in engine.pool.loads()))
        await until(lambda: sum(load.prompt_tokens for load in engine.pool.loads()) >= engine.stats().tokens_sampled)
    assert np.allclose(found, local(batch), atol=1e-4)


async def test_the_parts_of_a_request_are_spread_by_load(pair: list[Replica]) -> None:
    async with engine_on(pair) as engine:
        for each in pair:
            each.freeze()
        try:
            task = asyncio.create_task(engine.vectors(texts(64 * 8), TENANT))
            await until(lambda: sum(requests(engine)) == 8)
            assert requests(engine) == [4, 4]
            task.cancel()
            await asyncio.wait([task])
            assert requests(engine) == [0, 0]
        finally:
            for each in pair:
                each.thaw()


async def test_a_killed_replica_is_replaced_by_another(
    start: Start, pair: list[Replica], local: Callable[[Sequence[EmbeddingInput]], Floats]
) -> None:
    lost, batch = start(), texts(64 * 4, seed=1)
    async with engine_on([lost, pair[0]]) as engine:
        lost.freeze()
        task = asyncio.create_task(engine.vectors(batch, TENANT))
        await until(lambda: engine.dispatcher.tokens_read > 0)
        assert not task.done()
        lost.kill()
        found = await task
        assert engine.dispatcher.moves.failures > 0
        assert requests(engine) == [0, 0]
    assert np.allclose(found, local(batch), atol=1e-4)


async def test_a_request_that_loses_more_replicas_than_migrations_ends_in_one_error(start: Start) -> None:
    lost = start()
    async with engine_on([lost], migrations=0) as engine:
        lost.freeze()
        task = asyncio.create_task(engine.vectors(texts(200), TENANT))
        await until(lambda: sum(requests(engine)) == 4)
        lost.kill()
        with pytest.raises(StepFailedError):
            await task
        assert engine.dispatcher.moves.given_up > 0


async def test_without_a_replica_a_request_waits_and_then_ends(start: Start) -> None:
    lost = start()
    async with engine_on([lost], start=0.1) as engine:
        lost.kill()
        await until(lambda: engine.pool.capacity() == 0)
        with pytest.raises(EngineUnavailableError):
            await engine.vectors(texts(3), TENANT)
    with pytest.raises(EngineStoppedError):
        await engine.vectors(texts(3), TENANT)


async def test_a_draining_replica_gets_no_new_requests(start: Start, pair: list[Replica]) -> None:
    leaving = start()
    async with engine_on([leaving, pair[0]]) as engine:
        leaving.drain()
        await until(lambda: engine.pool.capacity() == 64)
        assert len(await engine.vectors(texts(130), TENANT)) == 130
        assert engine.dispatcher.moves.failures == 0


async def test_the_vectors_of_a_request_are_of_one_fingerprint(start: Start, pair: list[Replica]) -> None:
    other = start(exact=False)
    assert other.address.identity.fingerprint != pair[0].address.identity.fingerprint
    async with engine_on([other, pair[0]]) as engine:
        for each in (other, pair[0]):
            each.freeze()
        try:
            task = asyncio.create_task(engine.vectors(texts(64 * 3), TENANT))
            await until(lambda: sum(requests(engine)) == 3)
            assert requests(engine) == [0, 3]
            task.cancel()
            await asyncio.wait([task])
        finally:
            pair[0].thaw()


async def test_replicas_of_another_width_get_nothing(pair: list[Replica]) -> None:
    identity = pair[0].address.identity
    assert not identity.serves(identity.text, identity.context_limit, identity.vocabulary_size, identity.width + 1)
