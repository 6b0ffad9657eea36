"""Upstreams that die or stall under load: every request has one result or one error, and its row."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from forefront.gateway.keys.key_store import KeyStore
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.admin.records import Budget, NewKey
from tests.support.backends.instant import KEY, Instant
from tests.support.upstreams.faulty_upstream import FaultyUpstream, run_faulty_upstream
from tests.support.upstreams.upstream_answers import DONE, Answer, Pause, ReceivedRequest, chunks, event, stream, well
from torture.client import Answer as Received
from torture.client import Client
from torture.harness import Harness, entered
from torture.ledger_audit import audit_ledger, opened

_CLIENTS = 16
_MODEL = "replicated"
# Seconds without a new part of the answer, where replicas die, and where they pause for less and for more.
_PATIENCE, _READ_SECONDS = 20.0, 1.0
_WORDS = tuple(f" word{number}" for number in range(8))


@dataclass
class Load:
    """What clients received: whole answers with their tokens, streams that broke off with an error, and refusals."""

    seen: dict[str, int | None] = field(default_factory=dict)
    broken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[Received] = field(default_factory=list)

    def add(self, answer: Received, *, streamed: bool) -> None:
        """Count an answer. `wrong` are those that are neither one result nor one error."""
        errors, done = answer.body.count(b'"error":{'), answer.body.count(b"[DONE]")
        if answer.status != 200:
            self.refused[f"{answer.status} {answer.code}"] += 1
            correct = answer.ended and errors == 1
        elif errors:
            self.broken += 1
            correct = streamed and answer.ended and errors == 1 and not done and b'"content":"' in answer.body
        else:
            assert answer.completion is not None
            self.seen[answer.completion] = answer.tokens
            correct = answer.whole and answer.content().endswith(_WORDS[-1]) and done == int(streamed)
        if not correct:
            self.wrong.append(answer)


async def run(harness: Harness) -> None:
    """Two replicas of which one is killed again and again, then two that are slow."""
    await asyncio.gather(*(_killed(harness, kind) for kind in harness.stores))
    await asyncio.gather(*(_slow(harness, kind) for kind in harness.stores))


async def _killed(harness: Harness, kind: str) -> None:
    """One of the two always answers, so no request fails before its answer has begun."""
    rounds = harness.count(30, minimum=3)
    async with _served(harness, kind, _PATIENCE) as (upstreams, server, store, key):
        load = Load()
        for upstream in upstreams:
            upstream.behaviour = _paced
        clients = [asyncio.create_task(_ask(server.url, key, load)) for _ in range(_CLIENTS)]
        for number in range(rounds):
            upstream = upstreams[number % 2]
            await asyncio.sleep(random.uniform(0.1, 0.4))
            await asyncio.to_thread(upstream.kill)
            await asyncio.sleep(random.uniform(0.1, 0.4))
            await asyncio.to_thread(upstream.start)
            await _until_used(server, number % 2)
        await _stop(clients)
    await _report(harness, kind, store, f"{rounds} deaths of one of two replicas", load, good=not load.refused)


async def _slow(harness: Harness, kind: str) -> None:
    """Pauses before and within answers; some are longer than the server waits."""
    seconds = max(10 * harness.scale, 3.0)
    async with _served(harness, kind, _READ_SECONDS) as (upstreams, server, store, key):
        load = Load()
        for upstream in upstreams:
            upstream.behaviour = _sluggish
        clients = [asyncio.create_task(_ask(server.url, key, load)) for _ in range(_CLIENTS)]
        await asyncio.sleep(seconds)
        await _stop(clients)
    allowed = {"503 upstream_unavailable", "502 upstream_failed"}
    await _report(harness, kind, store, f"slow replicas for {seconds:.0f} s", load, good=set(load.refused) <= allowed)


@asynccontextmanager
async def _served(
    harness: Harness, kind: str, read_seconds: float
) -> AsyncIterator[tuple[list[FaultyUpstream], Instant, str, str]]:
    """Two upstreams, a server before them, its store and a key."""
    store, log = harness.new_store(kind), harness.new_folder() / "log"
    key = await asyncio.to_thread(_make_key, store)
    with ExitStack() as stack:
        upstreams = [await asyncio.to_thread(stack.enter_context, run_faulty_upstream(well)) for _ in range(2)]
        spec = UpstreamSpec(
            _MODEL,
            tuple(upstream.url for upstream in upstreams),
            _MODEL,
            dialect="generic",
            context_length=4096,
            read_seconds=read_seconds,
        )
        async with entered(harness.nursery.serve(store, log, upstreams=[spec])) as server:
            yield upstreams, server, store, key
    async with entered(harness.nursery.serve(store, log)):
        pass  # another server notes that the first one is dead


async def _until_used(server: Instant, position: int) -> None:
    """Wait until a replica that is back is in use again, so that the other one can be killed."""
    client = Client(server.url, KEY)
    async with asyncio.timeout(30):
        while True:
            models = (await client.get("/admin/status"))["models"]
            if models[_MODEL]["replicas"][position]["state"] == "closed":
                return
            await asyncio.sleep(0.05)


async def _ask(url: str, key: str, load: Load) -> None:
    client = Client(url, key)
    while True:
        streamed = random.random() < 0.5
        question = [{"role": "user", "content": f"Question {random.randrange(1000)}"}]
        fields = {"model": _MODEL, "messages": question, "max_tokens": 20, "stream": streamed}
        if streamed:
            fields["stream_options"] = {"include_usage": True}
        answer = await client.chat(**fields)
        load.add(answer, streamed=streamed)
        if answer.status != 200:
            await asyncio.sleep(0.05)


async def _stop(clients: list["asyncio.Task[None]"]) -> None:
    for client in clients:
        client.cancel()
    results = await asyncio.gather(*clients, return_exceptions=True)
    for result in results:
        if not isinstance(result, asyncio.CancelledError):
            raise RuntimeError("a client ended") from result


def _paced(request: ReceivedRequest) -> Answer:
    """A stream of tokens a few milliseconds apart."""
    if request.method == "GET":
        return well(request)
    return stream(*_spaced(0.004), DONE)


def _sluggish(request: ReceivedRequest) -> Answer:
    """A stream with a pause at a random place, now and then a long one."""
    if request.method == "GET":
        return well(request)
    pause = Pause(random.choice((0.05, 0.2, 0.5, 3 * _READ_SECONDS)))
    steps = [event(chunk) for chunk in chunks(_WORDS)]
    place = random.randrange(len(steps))
    before = (pause,) if place == 0 else ()
    return stream(*steps[:place], pause, *steps[place:], DONE, before=before)


def _spaced(seconds: float) -> list[bytes | Pause]:
    steps: list[bytes | Pause] = []
    for chunk in chunks(_WORDS):
        steps += [event(chunk), Pause(seconds)]
    return steps


async def _report(harness: Harness, kind: str, store: str, done: str, load: Load, *, good: bool) -> None:
    audit = await asyncio.to_thread(audit_ledger, store)
    missing = audit.missing(load.seen)
    refused = ", ".join(f"{count} × {code}" for code, count in load.refused.items()) or "none"
    found = (
        f"{len(load.seen)} answers seen whole, {missing} without their row; {load.broken} streams ended with an error; "
        f"failed before the answer began: {refused}; {len(load.wrong)} with more or less than one result or error"
    )
    if load.wrong:
        harness.log(f"upstreams: {load.wrong[0]}")
    balanced = audit.days_agree and not audit.held
    good = good and not missing and not load.wrong and balanced and len(load.seen) > 0
    harness.report("upstreams", kind, done, found, good=good)


def _make_key(store: str) -> str:
    with opened(store) as database:
        return KeyStore(database).create(NewKey(name="load", budget=Budget(tokens=10**9))).key
