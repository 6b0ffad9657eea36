"""Ten times more requests than the capacity: throughput stays, and excess requests are refused at once."""

import asyncio
import itertools
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from tests.support.server import RunningServer
from torture.client import Answer, Client
from torture.harness import Harness, entered

_RUNNING, _WAITING = 16, 32
_LENGTH = 200  # of answers, in the mean
_MODEL = "forefront-mini"
_BEGINNING = 0.5  # seconds


@dataclass
class Load:
    """What became of the requests of one measurement."""

    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    health: list[float] = field(default_factory=list)

    tokens: int = 0

    @property
    def rate(self) -> float:
        """Answers per second, those that are under way with what has been done of them."""
        return self.tokens / self.seconds / _LENGTH

    @property
    def refused(self) -> list[Answer]:
        """Those that were turned away."""
        return [answer for answer in self.answers if answer.status in (429, 503)]


async def run(harness: Harness) -> None:
    """The peak by a few more clients than may run at a time, then ten times as many requests per second as that; in
    turns, since other programs use the machine too."""
    seconds = max(4 * harness.scale, 2)
    settings = {"FOREFRONT_QUEUE_RUNNING": str(_RUNNING), "FOREFRONT_QUEUE_WAITING": str(_WAITING)}
    peaks, overs = [], []
    async with entered(harness.serve(harness.new_store("SQLite"), _MODEL, **settings)) as server:
        await _peak(server, 1)
        for _ in range(6):
            peaks.append(await _peak(server, seconds))
            overs.append(await _overload(server, seconds, peaks[-1].rate * 10))
    peak, over = (sum(load.tokens for load in loads) / sum(load.seconds for load in loads) for loads in (peaks, overs))
    harness.report("overload", "SQLite", f"peak: {_RUNNING + 4} clients", f"{peak:.0f} tokens/s", good=peak > 0)
    sent, refused = sum(len(load.answers) for load in overs), [one for load in overs for one in load.refused]
    whole = sum(answer.whole for load in overs for answer in load.answers)
    found = f"{over:.0f} tokens/s, {over / peak:.0%} of the peak, in {whole} whole answers"
    harness.report("overload", "SQLite", f"10 × as many ({sent} requests)", found, good=over / peak >= 0.9)
    hinted = all("retry-after" in answer.headers for answer in refused)
    others = sent - whole - len(refused)
    found = f"{len(refused)} × 429 or 503 in {_milliseconds([one.seconds for one in refused])}, "
    found += f"{'each' if hinted else 'NOT each'} with retry-after; {others} of any other kind"
    harness.report("overload", "SQLite", "the rest", found, good=bool(refused) and hinted and not others)
    health = [one for load in overs for one in load.health]
    found = _milliseconds(health)
    harness.report("overload", "SQLite", "/health meanwhile", found, good=_last(health) < 0.05)


async def _peak(server: RunningServer, seconds: float) -> Load:
    """A closed loop: each client asks again once it has been answered."""
    load, numbers = Load(), itertools.count()
    counting = asyncio.create_task(_count(server, load, seconds))

    async def ask() -> None:
        client = Client(server.url, server.key)
        while True:
            answer = await client.chat(**_fields(next(numbers)))
            if counting.done():
                return
            load.answers.append(answer)

    jobs = [asyncio.create_task(ask()) for _ in range(_RUNNING + 4)]
    await asyncio.gather(counting, *jobs)
    return load


async def _overload(server: RunningServer, seconds: float, rate: float) -> Load:
    """An open loop: so many requests per second, independent of earlier ones."""
    load, idle = Load(), [Client(server.url, server.key) for _ in range(8)]
    begin, counting = time.monotonic(), asyncio.create_task(_count(server, load, seconds))

    async def ask(number: int) -> None:
        client = idle.pop() if idle else Client(server.url, server.key)
        answer = await client.chat(**_fields(number))
        idle.append(client)
        load.answers.append(answer)

    async def watch() -> None:
        client = Client(server.url, server.key)
        while True:
            load.health.append((await client.send("GET", "/health")).seconds)
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    jobs: list[asyncio.Task[None]] = []
    while not counting.done():
        passed = time.monotonic() - begin
        jobs += [asyncio.create_task(ask(number)) for number in range(len(jobs), int(passed * rate))]
        await asyncio.sleep(0.01)
    await asyncio.gather(counting, *jobs)
    watching.cancel()
    return load


async def _count(server: RunningServer, load: Load, seconds: float) -> None:
    """What is sampled within so many seconds, once the engine has as much to do as it will have."""
    await asyncio.sleep(_BEGINNING)
    begin, before = time.monotonic(), await _sampled(server)
    await asyncio.sleep(seconds)
    load.tokens, load.seconds = await _sampled(server) - before, time.monotonic() - begin


async def _sampled(server: RunningServer) -> int:
    """How many tokens the engine has sampled."""
    sampled: int = (await Client(server.url, server.key).get("/admin/status"))["models"][_MODEL]["tokens_sampled"]
    return sampled


def _fields(number: int) -> dict[str, Any]:
    """A request. Lengths differ, or those that began together would end together, and all prompts of a peak would be
    computed in one step: a peak that no traffic reaches."""
    length = _LENGTH // 2 + number * 61 % (_LENGTH + 1)
    message = {"role": "user", "content": f"Question {number}"}
    return {"model": _MODEL, "messages": [message], "max_tokens": length, "logit_bias": {"2": -100}}


def _milliseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds or [0]) * 1000:.0f} ms (median), {_last(seconds) * 1000:.0f} ms (99 %)"


def _last(seconds: list[float]) -> float:
    """The 99th percentile."""
    return sorted(seconds)[int(len(seconds) * 0.99)] if seconds else 0.0
