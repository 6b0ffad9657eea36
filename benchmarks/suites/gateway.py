"""The cost of keys, limits, a budget and the ledger: against the same server without them, with instant answers."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import table
from benchmarks.suites.no_gateway import serve_openly
from forefront.cli.settings.sections import Config, RedisSettings
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import open_database
from forefront.wire.admin.records import Budget, Limits, NewKey
from tests.support.backends.instant import MODEL, Nursery
from tests.support.programs.postgres import run_postgres
from tests.support.programs.redis import run_redis
from torture.client import CHAT, Client

_SECONDS = 2.0
_FIELDS = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
ONE_TOKEN = json.dumps({**_FIELDS, "max_tokens": 1}).encode()
_LONG = json.dumps({**_FIELDS, "max_tokens": 64, "stream": True}).encode()
# Name, request body, clients at a time.
_CASES = (
    ("1 token", ONE_TOKEN, 1),
    ("1 token", ONE_TOKEN, 32),
    ("64, streamed", _LONG, 1),
    ("64, streamed", _LONG, 32),
)


@dataclass(frozen=True)
class Round:
    """Requests per second, and the median latency in milliseconds."""

    rate: float
    median: float


def run(repeats: int) -> None:
    """Print the table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forefront-bench-")))
        postgres = stack.enter_context(run_postgres(durable=True))
        servers = {"without": (stack.enter_context(serve_openly()), "none")}
        nursery = Nursery()
        redis = Config(redis=RedisSettings(url=stack.enter_context(run_redis()).url))
        for name, store, settings in (
            ("SQLite", f"sqlite:///{folder / 'forefront.db'}", Config()),
            ("SQLite and Redis", f"sqlite:///{folder / 'shared.db'}", redis),
            ("PostgreSQL", postgres, Config()),
        ):
            key = make_key(store)
            served = nursery.serve(store, folder / f"{name}.log", settings=settings)
            servers[name] = (stack.enter_context(served).url, key)
        rows = []
        for answer, body, clients in _CASES:
            rounds: dict[str, list[Round]] = {name: [] for name in servers}
            for number in range(repeats + 1):
                for name, (url, key) in servers.items():
                    measured = asyncio.run(measure(url, [key] * clients, body, _SECONDS))
                    if number:  # the first warms up
                        rounds[name].append(measured)
            rows += [[answer, clients, *row] for row in _rows(rounds)]
    head = ["answer", "clients", "gateway", "requests/s", "÷ without", "median ms", "added ms"]
    table("Keys, limits, a budget and the ledger, with answers that take no time", head, rows)


def _rows(rounds: dict[str, list[Round]]) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, measured in rounds.items():
        rate = statistics.median(result.rate for result in measured)
        median = statistics.median(result.median for result in measured)
        pairs = list(zip(measured, rounds["without"], strict=True))
        ratio = statistics.median(one.rate / without.rate for one, without in pairs)
        more = statistics.median(one.median - without.median for one, without in pairs)
        rows.append([name, f"{rate:.0f}", ratio, f"{median:.2f}", f"{more:.2f}"])
    return rows


async def measure(url: str, keys: Sequence[str], body: bytes, seconds: float, path: str = CHAT) -> Round:
    """One client per key, each sending requests to `path` for `seconds`."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def run_client(key: str) -> None:
        client = Client(url, key)
        while time.perf_counter() < end:
            answer = await client.send("POST", path, body)
            if answer.status != 200 or not answer.ended:
                raise RuntimeError(f"a request failed: {answer}")
            latencies.append(answer.seconds)
        client.abort()

    begin = time.perf_counter()
    await asyncio.gather(*map(run_client, keys))
    return Round(len(latencies) / (time.perf_counter() - begin), statistics.median(latencies) * 1000)


def make_key(store: str) -> str:
    database = open_database(store)
    limits = Limits(requests_per_minute=10**6, tokens_per_minute=10**9, concurrency=1000)
    made = KeyStore(database).create(NewKey(name="bench", limits=limits, budget=Budget(tokens=10**12)))
    database.close()
    return made.key
