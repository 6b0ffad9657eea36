"""Generations on replicas in other processes: the same tokens as on the engine itself, and moves when replicas end."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from forefront.chat.local.loading import ModelParts
from forefront.cluster.backend.cluster_status import cluster_status
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.engine.engine import Engine
from forefront.engine.errors import ContextExceededError, EngineUnavailableError, StepFailedError
from forefront.engine.generation import Generation, Token
from forefront.engine.model.model import PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.fairness.tenant import Tenant
from tests.cluster.replicas import OPTIONS, SLOW_STEP, Replica, engine_on, proxied, ready, spec_of
from tests.engine.engines import GREEDY, collect, prompt

SEEDED = SamplingParams(temperature=1.0, top_p=0.95, seed=7, presence_penalty=0.5)
SCORED = SamplingParams(temperature=0, top_logprobs=3)
# Random text: drafts are hardly ever accepted, so long answers take long.
RANDOM = SamplingParams(temperature=1.0)
VARIED = SamplingParams(temperature=0, frequency_penalty=1.0)

Start = Callable[..., Replica]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def pair(tiny_gguf: Path, home: Path) -> Iterator[list[Replica]]:
    """Two replicas that no test ends."""
    replicas = [Replica(spec_of(tiny_gguf, home)) for _ in range(2)]
    yield replicas
    for replica in replicas:
        replica.close()


@pytest.fixture(scope="module")
def slow(tiny_gguf: Path, home: Path) -> Iterator[Replica]:
    """A slow replica that no test ends: an answer of hundreds of tokens is still running after its first ones."""
    replica = Replica(spec_of(tiny_gguf, home), SLOW_STEP)
    yield replica
    replica.close()


@pytest.fixture
def start(tiny_gguf: Path, home: Path) -> Iterator[Start]:
    """Starts slow replicas for one test."""
    started: list[Replica] = []

    def begin(**options: float) -> Replica:
        started.append(Replica(spec_of(tiny_gguf, home, **options), SLOW_STEP))
        return started[-1]

    yield begin
    for replica in started:
        replica.close()


def numbers(tokens: list[Token], choice: int = 0) -> list[int]:
    return [token.token for token in tokens if token.choice == choice]


def described(token: Token) -> str:
    """A token with rounded scores, which depend on the other tokens of its step."""
    number = re.compile(r"-?[0-9]+[.][0-9]+(e-?[0-9]+)?")
    return number.sub(lambda found: f"{float(found[0]):.2f}", repr(token))


async def begun(generation: Generation, count: int = 5) -> list[Token]:
    """Its first tokens."""
    tokens: list[Token] = []
    async for batch in generation:
        tokens += batch
        if len(tokens) >= count:
            return tokens
    return tokens


async def test_a_replica_that_returns_to_the_list_gets_generations(pair: list[Replica]) -> None:
    async with engine_on(pair[:1], start=5) as engine:
        await ready(engine, 1)
        # What a watcher that has been started again may send at first.
        engine.set_replicas([])
        engine.set_replicas([pair[0].address])
        async with asyncio.timeout(60):
            assert len(await collect(engine.submit(GenerateRequest(prompt(10), 5, GREEDY)))) == 5


async def test_a_connection_lost_during_migration(
    pair: list[Replica], slow: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_on([slow]) as engine:
        await ready(engine, 1)
        generations = [engine.submit(GenerateRequest(prompt(40, number), 400, GREEDY)) for number in range(3)]
        await begun(generations[0])
        engine.set_replicas([replica.address for replica in (slow, pair[0])])
        await ready(engine, 2)
        connection = engine.pool[slow.name]
        monkeypatch.setattr(connection._protocol, "send", lambda _: connection.reset("it does not read"))
        engine.dispatcher.leave(connection, "it makes no progress")
        ends = [await collect(generation) for generation in generations]
        assert [tokens[-1].finish for tokens in ends] == ["length"] * 3
        assert [generation.moves for generation in generations] == [1, 1, 1]


async def test_the_tokens_are_those_of_the_engine_itself(pair: list[Replica], tiny_parts: ModelParts) -> None:
    local = Engine(PagedModel(tiny_parts.graph, 2048, OPTIONS))
    local.start()
    requests = [
        GenerateRequest(prompt(60), 30, GREEDY),
        GenerateRequest(prompt(60), 30, SEEDED, n=3),
        GenerateRequest(prompt(60), 5, SCORED, n=2, prompt_logprobs=2),
        GenerateRequest(prompt(60), 30, SEEDED, stop_tokens=frozenset(range(100, 140))),
    ]
    async with engine_on(pair) as engine:
        await ready(engine, 2)
        for request in requests:
            expected = await collect(local.submit(request))
            found = await collect(engine.submit(request))
            assert sorted(map(described, found)) == sorted(map(described, expected))
        again = engine.submit(requests[0])
        await collect(again)
        assert again.cached_tokens >= 32
        placed = replace(engine.router.counts)
        assert await engine.cached_tokens(prompt(60), Tenant("another")) == 0
        assert engine.router.counts == placed
        with pytest.raises(ContextExceededError):
            engine.submit(GenerateRequest(prompt(60), 10_000, GREEDY))
    await local.stop()


async def test_a_prediction_reaches_the_replica(pair: list[Replica]) -> None:
    async with engine_on(pair[:1]) as engine:
        await ready(engine, 1)
        request = GenerateRequest(prompt(60), 60, GREEDY, n=2)
        alone = await collect(engine.submit(request))
        prediction = [token.token for token in alone if token.choice == 0]
        predicted = engine.submit(replace(request, prediction=prediction))
        tokens = await collect(predicted)
        assert [token.token for token in tokens if token.choice == 1] == prediction
        assert 10 < predicted.accepted_prediction_tokens < 120
        assert predicted.rejected_prediction_tokens == 0


async def test_drafts_of_replicas_are_counted_from_their_heartbeats(pair: list[Replica]) -> None:
    async with engine_on(pair[:1]) as engine:
        await ready(engine, 1)
        before = engine.stats()
        await collect(engine.submit(GenerateRequest(prompt(60), 200, GREEDY)))  # repeats itself
        async with asyncio.timeout(60):
            while engine.stats().drafts == before.drafts:
                await asyncio.sleep(0.05)
        [replica] = cluster_status(engine.router, engine.dispatcher.moves).replicas
        stats = engine.stats()
        assert 0 < stats.accepted_tokens <= stats.draft_tokens <= replica.draft_tokens


async def test_a_replica_that_does_not_read_is_abandoned_within_the_stall_time(
    pair: list[Replica], start: Start
) -> None:
    """Its own messages still arrive, as through a firewall that has forgotten one direction."""
    async with proxied(start()) as proxy, engine_on([proxy], stall=3) as engine:
        await ready(engine, 1)
        running = engine.submit(GenerateRequest(prompt(40), 1500, RANDOM))
        await begun(running)
        proxy.deaf = True
        engine.set_replicas([proxy.address, pair[0].address])
        new = [engine.submit(GenerateRequest(prompt(40, number), 5, RANDOM)) for number in range(10)]
        # The replica itself gives such a connection up after 20 seconds.
        async with asyncio.timeout(15):
            for generation in [running, *new]:
                assert (await collect(generation))[-1].finish == "length"
        assert running.moves


async def test_generations_of_a_killed_replica_migrate(pair: list[Replica], start: Start) -> None:
    doomed = start()
    requests = [
        GenerateRequest(prompt(40, 1), 600, VARIED),
        GenerateRequest(prompt(40, 2), 600, SEEDED, n=3),
        GenerateRequest(prompt(40, 3), 600, replace(VARIED, top_logprobs=3), n=2, prompt_logprobs=1),
    ]
    async with engine_on(pair) as engine:
        await ready(engine, 2)
        whole = [await collect(engine.submit(request)) for request in requests]
    async with engine_on([doomed], stall=60) as engine:
        await ready(engine, 1)
        generations = [engine.submit(request) for request in requests]
        beginnings = [await begun(generation) for generation in generations]
        doomed.freeze()
        engine.set_replicas([doomed.address, pair[0].address])
        await ready(engine, 2)
        doomed.kill()
        ends = [await collect(generation) for generation in generations]
        for request, expected, beginning, end, generation in zip(
            requests, whole, beginnings, ends, generations, strict=True
        ):
            assert generation.moves == 1
            tokens = beginning + end
            assert generation.sampled == len(tokens)
            for choice in range(request.n):
                assert numbers(tokens, choice) == numbers(expected, choice)
                firsts = [token for token in tokens if token.choice == choice]
                assert [token.finish for token in firsts if token.finish] == ["length"]
                if request.prompt_logprobs is not None:
                    assert [len(token.prompt) for token in firsts[:2]] == [40, 0]
                    assert all(token.top for token in firsts)


async def test_moved_generations_precede_those_that_wait_for_a_slot(slow: Replica, start: Start) -> None:
    doomed, survivor = start(), slow
    async with engine_on([doomed], stall=60) as engine:
        await ready(engine, 1)
        moving = [engine.submit(GenerateRequest(prompt(40, n), 1000, RANDOM)) for n in range(3)]
        for generation in moving:
            await begun(generation)
        doomed.freeze()
        engine.router.drain(doomed.name)
        engine.set_replicas([doomed.address, survivor.address])
        await ready(engine, 2)
        # All slots of the survivor.
        slots = survivor.address.identity.slots
        singles = [engine.submit(GenerateRequest(prompt(40, 10 + n), 1000, RANDOM)) for n in range(3)]
        others = engine.submit(GenerateRequest(prompt(40, 20), 1000, RANDOM, n=slots - 3))
        for generation in singles:
            await begun(generation)
        running: set[int] = set()
        async for tokens in others:
            running |= {token.choice for token in tokens}
            if len(running) == slots - 3:
                break
        new = [engine.submit(GenerateRequest(prompt(40, 30 + n), 5, RANDOM)) for n in range(5)]
        doomed.kill()
        async with asyncio.timeout(60):
            while not all(generation.moves for generation in moving):
                await asyncio.sleep(0.01)
            for generation in singles:
                generation.cancel()
            for generation in moving:
                await begun(generation, 1)
        assert [generation.sampled for generation in new] == [0] * 5
        others.cancel()
        for generation in new:
            assert len(await collect(generation)) == 5


async def test_a_frozen_replica_is_abandoned_within_the_stall_time(pair: list[Replica], start: Start) -> None:
    frozen = start()
    async with engine_on([frozen], stall=4) as engine:
        await ready(engine, 1)
        generation = engine.submit(GenerateRequest(prompt(40), 1500, RANDOM))
        await begun(generation)
        frozen.freeze()
        engine.set_replicas([frozen.address, pair[0].address])
        async with asyncio.timeout(60):
            tokens = await collect(generation)
        assert (generation.moves, tokens[-1].finish) == (1, "length")


async def test_exactly_one_error_after_too_many_moves(start: Start) -> None:
    first, second = start(), start()
    async with engine_on([first, second], migrations=1, start=1.0) as engine:
        await ready(engine, 2)
        generation = engine.submit(GenerateRequest(prompt(40), 1900, RANDOM, n=8))
        await begun(generation)
        first.kill()
        second.kill()
        with pytest.raises((StepFailedError, EngineUnavailableError)):
            await collect(generation)
        assert generation.released.done()


async def test_without_a_replica_a_request_waits_and_then_fails(pair: list[Replica]) -> None:
    async with engine_on(pair, start=0.5) as engine:
        engine.set_replicas([])
        with pytest.raises(EngineUnavailableError):
            await collect(engine.submit(GenerateRequest(prompt(40), 5, GREEDY)))
    async with engine_on(pair) as engine:
        engine.set_replicas([])
        waiting = engine.submit(GenerateRequest(prompt(40), 5, GREEDY))
        engine.set_replicas([pair[0].address])
        assert len(await collect(waiting)) == 5


async def test_cancellation_reaches_the_replica(slow: Replica) -> None:
    async with engine_on([slow]) as engine:
        await ready(engine, 1)
        generations = [engine.submit(GenerateRequest(prompt(40, n), 1500, GREEDY)) for n in range(20)]
        await begun(generations[0])
        for generation in generations:
            generation.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(*(generation.released for generation in generations))
        async with asyncio.timeout(60):
            while engine.stats().running or engine.stats().waiting:
                await asyncio.sleep(0.05)


async def test_a_lost_server_leaves_no_work(slow: Replica) -> None:
    async with engine_on([slow]) as other:
        await ready(other, 1)
        async with engine_on([slow]) as engine:
            await ready(engine, 1)
            await begun(engine.submit(GenerateRequest(prompt(40), 1900, GREEDY)))
        async with asyncio.timeout(60):
            while other.stats().running:
                await asyncio.sleep(0.05)


async def test_a_draining_replica_finishes_or_migrates_its_requests(pair: list[Replica], start: Start) -> None:
    leaving = start(grace=0.0)
    async with engine_on([leaving]) as engine:
        await ready(engine, 1)
        generation = engine.submit(GenerateRequest(prompt(40), 1500, GREEDY))
        await begun(generation)
        leaving.drain()
        async with asyncio.timeout(60):
            while not engine.pool[leaving.name].state.draining:
                await asyncio.sleep(0.01)
        # There is no other replica yet: it stays.
        await begun(generation)
        assert generation.moves == 0
        later = engine.submit(GenerateRequest(prompt(40), 5, GREEDY))
        engine.set_replicas([leaving.address, pair[0].address])
        assert len(await collect(later)) == 5
        tokens = await collect(generation)
        assert tokens[-1].finish == "length"
        assert generation.moves == 1
        await asyncio.to_thread(leaving.process.wait, 60)


async def test_a_replica_of_another_model_gets_no_requests(pair: list[Replica]) -> None:
    async with engine_on(pair[:1]) as engine:
        address = pair[1].address
        engine.set_replicas([replace_identity(address, text="another")])
        await asyncio.sleep(0.2)
        assert engine.replicas() == []


async def test_a_wrong_secret_is_refused(pair: list[Replica]) -> None:
    async with engine_on(pair[:1]) as engine:
        engine.set_replicas([replace_identity(pair[1].address, secret="00" * 32)])
        await asyncio.sleep(0.5)
        assert engine.replicas() == []


def replace_identity(address: ReplicaAddress, **changes: str) -> ReplicaAddress:
    identity = msgspec.structs.replace(address.identity, **changes)
    return msgspec.structs.replace(address, identity=identity)
