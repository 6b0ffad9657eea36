"""Limits that two gateways share through a real Redis: never over them, given back, and shut without it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import redis

from forefront.gateway.keys.principal import Principal
from forefront.gateway.limits.redis_client import RedisClient
from forefront.gateway.limits.redis_limiter import SLOT_TTL, RedisLimiter, open_redis_limiter
from forefront.gateway.limits.redis_reservation import RedisReservation
from forefront.gateway.limits.sliding_window import WINDOW
from forefront.gateway.store.database import Database, StoreError, open_database
from forefront.server.http.error_response import error_headers, rate_limit_headers
from forefront.wire.admin.records import Limits, NewKey, ProjectSettings
from forefront.wire.errors import RequestError
from tests.gateway.helpers import GatewayFixture, answer, open_gateway
from tests.support.programs.redis import PASSWORD, RedisServer


@pytest.fixture
def store(tmp_path: Path) -> Database:
    """The store that all desks of a test share."""
    return open_database(f"sqlite:///{tmp_path / 'f.db'}")


@asynccontextmanager
async def open_shared(
    server: RedisServer, window: float = WINDOW, lease: float = SLOT_TTL
) -> AsyncIterator[RedisLimiter]:
    """One server's view, started."""
    shared = RedisLimiter(RedisClient(server.url), window, lease)
    await shared.start()
    try:
        yield shared
    finally:
        await shared.close()


@asynccontextmanager
async def two_desks(
    store: Database, server: RedisServer, window: float = WINDOW, lease: float = SLOT_TTL
) -> AsyncIterator[list[GatewayFixture]]:
    """Two gateways on one store and one Redis, as two servers have them."""
    async with AsyncExitStack() as stack:
        shared = [await stack.enter_async_context(open_shared(server, window, lease)) for _ in range(2)]
        yield [await stack.enter_async_context(open_gateway(store, shared=one)) for one in shared]
    store.close()


async def taken(shared: RedisLimiter, principal: Principal, amount: int) -> RedisReservation:
    """A claim of so many tokens."""
    claim = shared.reservation(principal)
    assert claim is not None
    await claim.take(amount)
    return claim


async def until_taken(shared: RedisLimiter, principal: Principal, amount: int) -> RedisReservation:
    """The same, retried until it is granted."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await taken(shared, principal, amount)
            except RequestError:
                await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_no_window_and_no_moment_exceeds_the_limit(store: Database, redis_server: RedisServer) -> None:
    window, most_requests, most_tokens, maximum = 1.0, 40, 150, 3
    attempts: list[tuple[float, float, float, int]] = []  # times before and after the call, time of the release, tokens
    refused: set[str] = set()
    async with two_desks(store, redis_server, window) as desks:
        limits = Limits(requests_per_minute=most_requests, concurrency=maximum)
        desks[0].keys.set_project("default", ProjectSettings(limits=Limits(tokens_per_minute=most_tokens)))
        principal = await desks[0].principal(NewKey(name="s", limits=limits))
        end = time.monotonic() + 60

        def enough() -> bool:
            """Whether windows have moved on, and there were refusals of both kinds."""
            return {"run", "use"} <= refused and sum(tokens for *_, tokens in attempts) > 2 * most_tokens

        async def work(fixture: GatewayFixture, number: int) -> None:
            while not enough() and time.monotonic() < end:
                begin = time.monotonic()
                try:
                    with fixture.gateway.admit(principal, "m", f"{number}-{begin}") as lease:
                        await lease.admit(3, 25)
                        granted = time.monotonic()
                        await asyncio.sleep(0.002)
                        lease.output_tokens = number
                        closed = time.monotonic()
                        await lease.settle("completed", "stop")
                        attempts.append((begin, granted, closed, 3 + number))
                except RequestError as error:
                    refused.add(error.message.split()[3])
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(work(desks[n % 2], n) for n in range(10)))
    assert enough()
    assert refused <= {"run", "make", "use"}
    # Each was counted at some time between the call and its result; the latest possible start of a window counts.
    for _, granted, _, _ in attempts:
        within = [one for one in attempts if one[0] >= granted and one[1] < granted + window]
        assert len(within) <= most_requests
        assert sum(tokens for *_, tokens in within) <= most_tokens
        assert sum(one[1] <= granted < one[2] for one in attempts) <= maximum


async def test_unused_tokens_return_to_every_server(store: Database, redis_server: RedisServer) -> None:
    async with two_desks(store, redis_server) as (one, two):
        one.keys.set_project("default", ProjectSettings(limits=Limits(tokens_per_minute=100)))
        principal = await one.principal()
        with one.gateway.admit(principal, "m", "a") as lease:
            await lease.admit(20, 70)
            assert rate_limit_headers(lease.rate_limits())["x-ratelimit-remaining-tokens"] == "10"
            with pytest.raises(RequestError) as caught:
                await answer(two.gateway.admit(principal, "m", "b"), 10, 1, 1)
            assert error_headers(caught.value)["x-ratelimit-remaining-tokens"] == "10"
            lease.output_tokens = 5
            await lease.settle("completed", "stop")
            assert rate_limit_headers(lease.rate_limits())["x-ratelimit-remaining-tokens"] == "75"
        await answer(two.gateway.admit(principal, "m", "c"), 10, 65, 1)


async def test_concurrency_one_suffices_for_a_sequential_client(store: Database, redis_server: RedisServer) -> None:
    async with two_desks(store, redis_server) as desks:
        principal = await desks[0].principal(NewKey(name="one", limits=Limits(concurrency=1)))
        for n in range(100):
            await answer(desks[n % 2].gateway.admit(principal, "m", f"c{n}"), 1, 1, 1)


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (Limits(concurrency=2), 5),
        (Limits(requests_per_minute=2), 5),
        (Limits(tokens_per_minute=12, requests_per_minute=9), 5),
        (Limits(tokens_per_minute=12), 13),
    ],
)
@pytest.mark.parametrize("owner", ["key", "project"])
async def test_refusals_equal_those_of_limits_in_memory(
    store: Database, redis_server: RedisServer, limits: Limits, size: int, owner: str
) -> None:
    async def refusal(fixture: GatewayFixture, principal: Principal) -> RequestError:
        async with AsyncExitStack() as stack:
            for n in range(2 if size == 5 else 0):
                lease = fixture.gateway.admit(principal, "m", f"{id(fixture)}-{n}")
                await stack.enter_context(lease).admit(1, 4)
            for _ in range(2):  # the second time it may be known already
                with pytest.raises(RequestError) as caught, fixture.gateway.admit(principal, "m", "c") as lease:
                    await lease.admit(1, size - 1)
        return caught.value

    async with (
        open_shared(redis_server) as shared,
        open_gateway(store) as own,
        open_gateway(store, shared=shared) as other,
    ):
        if owner == "project":
            own.keys.set_project("default", ProjectSettings(limits=limits))
        principal = await own.principal(NewKey(name="r", limits=limits if owner == "key" else Limits()))
        memory, there = await refusal(own, principal), await refusal(other, principal)
    store.close()
    in_memory, in_redis = error_headers(memory), error_headers(there)
    about = {name for name in in_memory if "reset" in name or name == "retry-after-ms"}  # the clocks differ
    assert memory.message.replace("60 s", "") == there.message.replace("60 s", "")
    assert set(in_memory) == set(in_redis)
    for name in in_memory.keys() - about:
        assert in_memory[name] == in_redis[name], name
    for name in about - {"retry-after-ms"}:
        assert 50 < float(in_redis[name].removesuffix("s")) <= 60 or size == 13


@pytest.mark.slow
async def test_more_than_a_thousand_entries_expire(store: Database, redis_server: RedisServer) -> None:
    async with open_shared(redis_server, window=5.0) as shared, open_gateway(store) as fixture:
        principal = await fixture.principal(NewKey(name="m", limits=Limits(tokens_per_minute=1200)))
        claims = await asyncio.gather(*(taken(shared, principal, 1) for _ in range(1200)))
        assert (
            min(int(rate_limit_headers(claim.rate_limits())["x-ratelimit-remaining-tokens"]) for claim in claims) == 0
        )
        for amount in (1, 1100):
            with pytest.raises(RequestError, match="has 0 left") as caught:
                await taken(shared, principal, amount)
            assert 0 < int(error_headers(caught.value)["retry-after-ms"]) <= 5000
        last = await until_taken(shared, principal, 1200)
        last.release(7)
        again = await taken(shared, principal, 1193)
        assert rate_limit_headers(again.rate_limits())["x-ratelimit-remaining-tokens"] == "0"
    store.close()


async def test_slots_of_a_dead_server_expire_and_those_of_a_live_one_stay(
    store: Database, redis_server: RedisServer
) -> None:
    async with open_shared(redis_server, lease=2.0) as living, open_gateway(store) as fixture:
        principal = await fixture.principal(NewKey(name="d", limits=Limits(concurrency=2)))
        async with open_shared(redis_server, lease=2.0) as dying:
            await taken(dying, principal, 1)
        await taken(living, principal, 1)
        with pytest.raises(RequestError, match="2 requests at a time"):
            await taken(living, principal, 1)
        await until_taken(living, principal, 1)
        await asyncio.sleep(2.5)
        with pytest.raises(RequestError, match="2 requests at a time"):
            await taken(living, principal, 1)
    store.close()


async def test_redis_keys_expire_and_contain_no_names(store: Database, redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url)
    limits = Limits(requests_per_minute=100, tokens_per_minute=1000, concurrency=10)
    async with open_shared(redis_server, window=2.0, lease=2.0) as shared, open_gateway(store) as fixture:
        fixture.keys.set_project("a-known-project", ProjectSettings(limits=limits))
        principal = await fixture.principal(NewKey(name="n", project="a-known-project", limits=limits))
        claim = await taken(shared, principal, 5)
        names = [name.decode() for name in client.scan_iter()]
        assert len(names) == 6
        assert all(name.startswith("forefront:limits:") and client.pttl(name) > 0 for name in names)
        assert not any(secret in name for name in names for secret in (principal.key.id, "a-known-project"))
        claim.release(3)
        async with asyncio.timeout(60):
            while client.dbsize():
                await asyncio.sleep(0.1)
    client.close()
    store.close()


@pytest.mark.parametrize("fault", ["stopped", "paused"])
async def test_without_redis_only_limited_keys_are_refused_until_it_is_back(
    store: Database, redis_server: RedisServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_shared(redis_server) as shared, open_gateway(store, shared=shared) as fixture:
        limited = await fixture.principal(NewKey(name="l", limits=Limits(concurrency=1, tokens_per_minute=100)))
        free = await fixture.principal()
        with fixture.gateway.admit(limited, "m", "during") as lease:
            await lease.admit(10, 40)
            async with AsyncExitStack() as stack:
                if fault == "paused":
                    stack.enter_context(redis_server.paused())
                else:
                    redis_server.stop()
                for n in range(3):
                    with pytest.raises(RequestError) as caught:
                        async with asyncio.timeout(60):
                            await answer(fixture.gateway.admit(limited, "m", f"r{n}"), 1, 1, 1)
                    assert (caught.value.code, error_headers(caught.value)["retry-after"]) == ("store_unavailable", "1")
                await answer(fixture.gateway.admit(free, "m", "free"), 1, 1, 1)
                lease.output_tokens = 4
                async with asyncio.timeout(60):
                    await lease.settle("completed", "stop")  # what had begun is answered
            if fault == "stopped":
                redis_server.start()
        (await until_taken(shared, limited, 50)).release(0)
        await answer(fixture.gateway.admit(limited, "m", "after"), 10, 40, 1)
    store.close()
    assert "Redis cannot be used" in caplog.text
    assert "Redis responds again" in caplog.text
    assert PASSWORD not in caplog.text
    assert str(redis_server.port) not in caplog.text


async def test_a_disconnect_during_a_redis_call_leaves_no_reservation(
    store: Database, redis_server: RedisServer
) -> None:
    async with open_shared(redis_server) as shared, open_gateway(store, shared=shared) as fixture:
        principal = await fixture.principal(NewKey(name="l", limits=Limits(concurrency=1)))
        with redis_server.paused():
            leaving = asyncio.create_task(answer(fixture.gateway.admit(principal, "m", "gone"), 1, 1, 1))
            await asyncio.sleep(0.1)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        await answer(fixture.gateway.admit(principal, "m", "next"), 1, 1, 1)
    store.close()


async def test_redis_that_forgot_its_scripts_or_takes_no_writes(
    store: Database, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = redis.Redis.from_url(redis_server.url)
    async with open_shared(redis_server) as shared, open_gateway(store, shared=shared) as fixture:
        principal = await fixture.principal(NewKey(name="l", limits=Limits(requests_per_minute=2)))
        client.script_flush()
        await answer(fixture.gateway.admit(principal, "m", "a"), 1, 1, 1)
        client.config_set("min-replicas-to-write", 1)
        for n in range(3):
            with pytest.raises(RequestError) as caught:
                await answer(fixture.gateway.admit(principal, "m", f"r{n}"), 1, 1, 1)
            assert caught.value.code == "store_unavailable"
        client.config_set("min-replicas-to-write", 0)
        await answer(fixture.gateway.admit(principal, "m", "b"), 1, 1, 1)
    client.close()
    store.close()
    assert caplog.text.count("Redis rejects the limit scripts") == 1


async def test_an_unusable_redis_is_an_error_at_startup(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = redis_server.url
    redis_server.stop()
    cases = {url: "Connect call failed|refused", url.replace(":" + PASSWORD, ":wrong"): "name or the password"}
    for number, (wrong, reported) in enumerate(cases.items()):
        if number:
            redis_server.start()
        with pytest.raises(StoreError, match=reported) as caught:
            async with open_redis_limiter(wrong):
                pass
        assert PASSWORD not in str(caught.value)
    monkeypatch.delitem(sys.modules, "forefront.gateway.limits.redis_client")
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(StoreError, match=r"pip install 'forefront\[redis\]'"):
        async with open_redis_limiter(url):
            pass


async def test_requests_that_run_no_model_count_on_every_server_and_take_no_slot(
    store: Database, redis_server: RedisServer
) -> None:
    async with two_desks(store, redis_server) as (one, two):
        limits = Limits(requests_per_minute=3, concurrency=1)
        principal = await one.principal(NewKey(name="one", limits=limits))
        with one.gateway.admit(principal, "m", "a") as lease:
            await lease.admit(1, 1)
            for desk, left in ((one, 1), (two, 0)):
                [requests] = await desk.gateway.count_request(principal)
                assert requests.remaining == left
            with pytest.raises(RequestError, match="per minute") as caught:
                await two.gateway.count_request(principal)
            assert error_headers(caught.value)["x-ratelimit-remaining-requests"] == "0"
            await lease.settle("completed", "stop")


async def test_a_request_that_fails_before_its_size_is_known_counts(store: Database, redis_server: RedisServer) -> None:
    """Its preparation was work. The next ones are refused before theirs once the limit is known to be reached."""
    async with two_desks(store, redis_server) as (one, two):
        principal = await one.principal(NewKey(name="one", limits=Limits(requests_per_minute=2, concurrency=1)))
        async with asyncio.timeout(30):
            message = ""
            while "2 requests per minute" not in message:
                with pytest.raises(RequestError) as caught, one.gateway.admit(principal, "m", "a"):
                    raise RequestError("invalid_value", "no prompt")
                message = caught.value.message
                await asyncio.sleep(0.01)
        with pytest.raises(RequestError, match="2 requests per minute"):
            await two.gateway.count_request(principal)
