"""Two real servers on one store and one Redis: one set of limits, a server that is killed, a Redis that is stopped."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from forefront.cli.settings.sections import Config, RedisSettings
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import open_database
from forefront.wire.admin.records import Limits, NewKey
from tests.support.backends.instant import MODEL, Instant, Nursery
from tests.support.programs.redis import PASSWORD, RedisServer
from tests.support.server import run_server
from torture.client import Answer, Client


@pytest.fixture
def start(tmp_path: Path, redis_server: RedisServer) -> Iterator[Callable[[float], Instant]]:
    """Starts servers on one store and Redis, whose answers take so many seconds for each token."""
    settings = Config(redis=RedisSettings(url=redis_server.url))
    nursery, store = Nursery(), f"sqlite:///{tmp_path / 'f.db'}"
    with ExitStack() as stack:
        yield lambda pause: stack.enter_context(nursery.serve(store, tmp_path / "log", settings=settings, pause=pause))


def make_key(folder: Path, limits: Limits) -> str:
    """The text of a new key in the servers' store."""
    database = open_database(f"sqlite:///{folder / 'f.db'}")
    made = KeyStore(database).create(NewKey(name="s", limits=limits))
    database.close()
    return made.key


async def ask(server: Instant, key: str, most: int = 5) -> Answer:
    """One completion, on its own connection."""
    client = Client(server.url, key)
    answer = await client.chat(model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_tokens=most)
    client.abort()
    return answer


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Return once it does."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.1)


async def test_two_servers_hold_one_limit_together(tmp_path: Path, start: Callable[[float], Instant]) -> None:
    servers = [start(0.0), start(0.0)]
    key = make_key(tmp_path, Limits(requests_per_minute=30, tokens_per_minute=200))
    answers = await asyncio.gather(*(ask(servers[n % 2], key) for n in range(60)))
    passed = [answer for answer in answers if answer.status == 200]
    assert len(passed) == 200 // 15  # each takes ten tokens of prompt and five of answer
    refused = [answer for answer in answers if answer.status != 200]
    assert {(answer.status, answer.code) for answer in refused} == {(429, "rate_limit_exceeded")}
    assert all(answer.headers["x-ratelimit-limit-tokens"] == "200" for answer in answers)
    assert all(0 < int(answer.headers["retry-after"]) <= 60 for answer in refused)


@pytest.mark.slow
async def test_slots_of_a_killed_server_expire_within_seconds(
    tmp_path: Path, start: Callable[[float], Instant], redis_server: RedisServer
) -> None:
    dying, living = start(0.5), start(0.0)
    key = make_key(tmp_path, Limits(concurrency=2))

    async def hold() -> Answer:
        # A check for a free slot takes a slot itself.
        while (answer := await ask(dying, key, 200)).status == 429:
            pass
        return answer

    lost = [asyncio.create_task(hold()) for _ in range(2)]

    async def is_full() -> bool:
        return (await ask(living, key)).status == 429

    await until(is_full)
    dying.process.kill()
    assert [answer.status for answer in await asyncio.gather(*lost)] == [0, 0]
    assert await is_full()

    async def is_free() -> bool:
        return not await is_full()

    await until(is_free, 25)


async def test_redis_restarts(tmp_path: Path, start: Callable[[float], Instant], redis_server: RedisServer) -> None:
    server = start(0.0)
    limited, free = make_key(tmp_path, Limits(tokens_per_minute=1000)), make_key(tmp_path, Limits())
    assert (await ask(server, limited)).status == 200
    redis_server.stop()
    for _ in range(3):
        answer = await ask(server, limited)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "store_unavailable", "1")
        assert not any(secret in answer.body.decode() for secret in (PASSWORD, "redis://", str(redis_server.port)))
    answer = await ask(server, free)
    assert (answer.status, json.loads(answer.body)["usage"]["completion_tokens"]) == (200, 5)
    redis_server.start()

    async def is_back() -> bool:
        return (await ask(server, limited)).status == 200

    await until(is_back)
    log = (tmp_path / "log").read_text()
    assert "Redis cannot be used" in log
    assert "Redis responds again" in log
    assert PASSWORD not in log


def test_a_missing_redis_is_an_error_at_start(tmp_path: Path, redis_server: RedisServer) -> None:
    redis_server.stop()
    environment = {"FOREFRONT_REDIS_URL": redis_server.url}
    with pytest.raises(RuntimeError) as caught, run_server([], tmp_path / "home", environment=environment):
        pass
    assert "ended with status 1" in str(caught.value)
    assert "the Redis of `redis.url` cannot be used" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
