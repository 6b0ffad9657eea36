"""`kill -9` at random moments under load: every complete response is in the ledger, once."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.store.database import Database
from forefront.wire.admin.parse import ReportQuery
from forefront.wire.admin.records import Budget, IssuedKey, NewKey, ProjectSettings
from tests.support.backends.instant import MODEL, PROMPT
from torture.client import Client
from torture.harness import Harness, Server, entered
from torture.ledger_audit import audit_ledger, opened

Start = Callable[[], AbstractContextManager[Server]]
_CLIENTS = 8


async def run(harness: Harness) -> None:
    """200 kills for each store, of servers whose answers take no model; then some of `forefront serve` itself."""
    await asyncio.gather(*(_instant(harness, kind) for kind in harness.stores))
    await asyncio.gather(*(_whole(harness, kind) for kind in harness.stores))


async def _whole(harness: Harness, kind: str) -> None:
    store, rounds = harness.new_store(kind), harness.count(5)
    seen = await _rounds(harness, store, partial(harness.serve, store), "forefront-mini", rounds, 2.0)
    await _check(harness, kind, store, f"{rounds} kills of `forefront serve`", seen)


async def _instant(harness: Harness, kind: str) -> None:
    store, log = harness.new_store(kind), harness.new_folder() / "log"

    def start() -> AbstractContextManager[Server]:
        return harness.nursery.serve(store, log, pause=0.001)

    rounds = harness.count(200)
    seen = await _rounds(harness, store, start, MODEL, rounds, 0.6)
    await _check(harness, kind, store, f"{rounds} kills under load", seen)
    async with entered(start()) as server:
        exact = await _budget_is_exact(store, server.url)
    harness.report("kill", kind, "rest of a budget", "exact" if exact else "wrong", good=exact)


async def _rounds(
    harness: Harness, store: str, start: Start, model: str, rounds: int, longest: float
) -> dict[str, int | None]:
    """Load, kill, again; the tokens of each completion that a client saw whole."""
    key = await asyncio.to_thread(_make_key, store)
    seen: dict[str, int | None] = {}
    for number in range(rounds):
        async with entered(start()) as server:
            clients = [asyncio.create_task(_load(server.url, key.key, model, seen)) for _ in range(_CLIENTS)]
            await asyncio.sleep(random.uniform(0.02, longest))
            while number == rounds - 1 and not seen:  # or there would be nothing to look for
                await asyncio.sleep(0.05)
            server.process.kill()
            await asyncio.gather(*clients)
        if number % 50 == 49:
            harness.log(f"kill: {number + 1} of {rounds}, {len(seen)} answers seen whole")
    async with entered(start()):
        pass  # a last one takes note that the others are dead
    return seen


async def _load(url: str, key: str, model: str, seen: dict[str, int | None]) -> None:
    """Send requests until the server stops responding."""
    client = Client(url, key)
    messages = [{"role": "user", "content": "Hello"}]
    while True:
        stream = random.random() < 0.5
        fields = {"model": model, "messages": messages, "max_tokens": random.randint(1, 8), "stream": stream}
        if stream:
            fields["stream_options"] = {"include_usage": True}
        answer = await client.chat(**fields)
        if answer.status == 0 and not await _alive(url, key):
            return
        if answer.whole:
            assert answer.completion is not None
            seen[answer.completion] = answer.tokens


async def _alive(url: str, key: str) -> bool:
    return (await Client(url, key).send("GET", "/health")).status == 200


async def _check(harness: Harness, kind: str, store: str, done: str, seen: dict[str, int | None]) -> None:
    audit = await asyncio.to_thread(audit_ledger, store)
    missing = audit.missing(seen)
    found = f"{len(seen)} answers seen whole, {missing} without their row; {len(audit.rows)} rows; "
    found += f"{audit.held} reservations left; days {'equal' if audit.days_agree else 'DIFFER FROM'} rows"
    harness.report(
        "kill", kind, done, found, good=not missing and not audit.held and audit.days_agree and len(seen) > 0
    )


async def _budget_is_exact(store: str, url: str) -> bool:
    """Room for exactly one more request of 50 tokens: it passes, and the next does not."""
    with opened(store) as database:
        key = await asyncio.to_thread(_room_for, database, 50)
    await asyncio.sleep(1)  # the settings' way to the server
    client = Client(url, key)
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    answers = [await client.chat(**fields, max_tokens=count - PROMPT) for count in (51, 50, 11)]
    return [answer.status for answer in answers] == [403, 200, 403]


def _room_for(database: Database, tokens: int) -> str:
    [spent] = UsageReports(database).rows(ReportQuery(by=["project"], project="shop"))
    keys = KeyStore(database)
    left = spent.input_tokens + spent.output_tokens + tokens
    keys.set_project("shop", ProjectSettings(budget=Budget(tokens=left, period="month")))
    return keys.create(NewKey(name="last", project="shop")).key


def _make_key(store: str) -> IssuedKey:
    with opened(store) as database:
        return KeyStore(database).create(NewKey(name="load", project="shop", budget=Budget(tokens=10**9)))
