"""Mixed abuse by one project or several, with measurements of another one's first tokens, `/health` and memory.

First tokens are compared with those of the same server without abuse, while unrelated processes use as much processor
time as server and load generator did. On an idle machine all processors serve one request, which no share of a busy
one can equal.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.records import Limits, NewKey
from tests.support.server import RunningServer
from torture.client import CHAT, Client
from torture.harness import Harness, entered
from torture.ledger_audit import opened
from torture.processor import burning, children, processor_seconds

_MODEL = "forefront-mini"
# Of the soak, before memory is looked at.
_WARM_UP = 1 / 3
# How far the last third's median may be over the first third's, as a share; and its maximum, in MiB: a body of 8 MiB
# takes 150 while it is parsed, and how many are at a time is chance.
_SHARE, _ROOM = 0.1, 192.0
_SLOWER = 2.0
_HEALTH = 0.05  # seconds
_LONGEST = 30.0
_BETWEEN = 0.1  # seconds between two of the neighbour's requests
# Figures of time and memory mean something from this scale on.
_JUDGED = 0.5


@dataclass
class Soak:
    """What was seen: seconds to the neighbour's first token (idle, beside unrelated processes, under abuse) and of
    `/health`, the processors that were in use, MiB of the server with its children."""

    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    processors: float = 0.0
    first: list[float] = field(default_factory=list)
    sent: int = 0
    refused: int = 0
    health: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    afterwards: float = 0.0


@dataclass(frozen=True)
class Attack:
    """The part's name, the kinds of abuse by each project (none: the usual ones), further models, and seconds of all
    stores together."""

    part: str
    projects: Mapping[str, Sequence[str]]
    models: tuple[str, ...] = ()
    seconds: float = 120


async def run(harness: Harness) -> None:
    """One project, with every kind of abuse."""
    await soak_stores(harness, Attack("abuse", {"abuser": ()}))


async def soak_stores(harness: Harness, attack: Attack) -> None:
    """The attack on a server of each store."""
    for kind in harness.stores:
        await _on(harness, attack, kind, max(attack.seconds * harness.scale / len(harness.stores), 4))


async def _on(harness: Harness, attack: Attack, kind: str, seconds: float) -> None:
    store, soak = harness.new_store(kind), Soak()
    neighbour, *abusers = await asyncio.to_thread(_make_keys, store, ["neighbour", *attack.projects])
    # A small KV cache: its blocks, which are in memory once they have been used, are all used soon.
    async with entered(harness.serve(store, _MODEL, *attack.models, "--kv-cache", "0.05")) as server:
        soak.idle = await _undisturbed(server, neighbour, soak, seconds)
        watching = [asyncio.create_task(job) for job in _watchers(server, neighbour, soak)]
        statuses = await _abuse(server, dict(zip(abusers, attack.projects.values(), strict=True)), seconds, soak)
        for job in watching:
            job.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        harness.log(f"{attack.part}, {kind}: {statuses}")
        works = await _recovered(server, neighbour)
        await asyncio.sleep(min(seconds / 4, 10))
        soak.afterwards = _memory(server.process.pid)
        async with burning(soak.processors):
            soak.busy = await _undisturbed(server, neighbour, soak, seconds)
    _report(harness, attack, kind, soak, statuses, works=works)


async def _undisturbed(server: RunningServer, key: str, soak: Soak, seconds: float) -> list[float]:
    """Times to first tokens without other requests to the server."""
    times: list[float] = []
    end = time.monotonic() + max(seconds / 15, 1)
    while time.monotonic() < end or len(times) < 5:
        times.append(await _first_token(server, key, soak))
        await asyncio.sleep(_BETWEEN)
    return times


async def _abuse(
    server: RunningServer, abusers: Mapping[str, Sequence[str]], seconds: float, soak: Soak
) -> dict[str, Counter[str]]:
    """What each kind of abuse was answered with, by status. `abusers`: the kinds of each key, which has its process."""
    began, used = time.monotonic(), processor_seconds(server.process.pid)
    outputs = await asyncio.gather(*(_abuser(server, key, kinds, seconds) for key, kinds in abusers.items()))
    used = processor_seconds(server.process.pid) - used
    statuses: dict[str, Counter[str]] = {}
    for output in outputs:
        answered = json.loads(output)
        used += answered["processor_seconds"]
        statuses |= {kind: Counter(counts) for kind, counts in answered["statuses"].items()}
    soak.processors = used / (time.monotonic() - began)
    return statuses


async def _abuser(server: RunningServer, key: str, kinds: Sequence[str], seconds: float) -> bytes:
    """The output of one abuser's process."""
    command = ["-m", "torture.abuser", server.url, key, _MODEL, str(seconds), *kinds]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return output


def _watchers(server: RunningServer, key: str, soak: Soak) -> list[Coroutine[None, None, None]]:
    async def ask() -> None:
        while True:
            soak.first.append(await _first_token(server, key, soak))
            await asyncio.sleep(_BETWEEN)

    async def look() -> None:
        client = Client(server.url, server.key)
        while True:
            soak.health.append((await client.send("GET", "/health")).seconds)
            await asyncio.sleep(0.1)

    async def weigh() -> None:
        while True:
            soak.memory.append(_memory(server.process.pid))
            await asyncio.sleep(0.25)

    return [ask(), look(), weigh()]


async def _first_token(server: RunningServer, key: str, soak: Soak) -> float:
    """Seconds until a short answer begins; what is refused counts as `_LONGEST`."""
    soak.sent += 1
    number = soak.sent
    messages = [{"role": "user", "content": f"Repeat: number {number}"}]
    body = json.dumps({"model": _MODEL, "messages": messages, "max_tokens": 4, "stream": True}).encode()
    client, begin = Client(server.url, key), time.perf_counter()
    try:
        async with asyncio.timeout(_LONGEST):
            reader = await client.begin("POST", CHAT, body)
            status = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in status.split(b"\r\n")[0]:
                soak.refused += 1
                return _LONGEST
            await reader.readuntil(b"data: ")
            seconds = time.perf_counter() - begin
            await reader.readuntil(b"\r\n0\r\n\r\n")
            return seconds
    except (OSError, EOFError, TimeoutError):
        soak.refused += 1
        return _LONGEST
    finally:
        client.abort()


async def _recovered(server: RunningServer, key: str) -> bool:
    """Whether the server answers soon after the abuse has ended."""
    soak, end = Soak(), time.monotonic() + 2 * _LONGEST
    while time.monotonic() < end:
        if await _first_token(server, key, soak) < _LONGEST:
            return True
    return False


def _report(
    harness: Harness, attack: Attack, kind: str, soak: Soak, statuses: dict[str, Counter[str]], *, works: bool
) -> None:
    judged = harness.scale >= _JUDGED
    totals: Counter[str] = sum(statuses.values(), Counter())
    wrong = {status for status in totals if status.startswith("5") and status != "503"}
    found = ", ".join(f"{count} × {status}" for status, count in sorted(totals.items()))
    found = f"{found.replace('× 0', '× left or cut off')}; answers afterwards: {'yes' if works else 'NO'}"
    tried = all(counts.total() for counts in statuses.values())
    done = f"{len(statuses)} kinds at once by {len(attack.projects)} project{'s' * (len(attack.projects) > 1)}"
    harness.report(attack.part, kind, done, found, good=works and tried and not wrong)

    idle, busy, first = (statistics.median(times or [_LONGEST]) for times in (soak.idle, soak.busy, soak.first))
    found = f"{first * 1000:.0f} ms (median), {first / busy:.1f} × the {busy * 1000:.0f} ms without abuse while "
    found += f"unrelated processes use {soak.processors:.1f} processors, {first / idle:.1f} × the {idle * 1000:.0f} ms "
    found += f"of an idle machine, {max(soak.first, default=_LONGEST) * 1000:.0f} ms at most; "
    found += f"{soak.refused} of {len(soak.first)} not answered"
    # With one busy project it has half of the engine, with six a seventh.
    good = first <= _SLOWER * busy * (1 + len(attack.projects)) / 2 and not soak.refused
    harness.report(attack.part, kind, "another project's first token", found, good=good or not judged)

    health = sorted(soak.health) or [_LONGEST]
    last = health[int(len(health) * 0.99)]
    found = f"{statistics.median(health) * 1000:.0f} ms (median), {last * 1000:.0f} ms (99 %), "
    found += f"{health[-1] * 1000:.0f} ms at most"
    harness.report(attack.part, kind, "/health meanwhile", found, good=last < _HEALTH or not judged)

    memory = soak.memory[int(len(soak.memory) * _WARM_UP) :]
    third = max(len(memory) // 3, 1)
    thirds = [memory[place * third : (place + 1) * third] or [0.0] for place in range(3)]
    usual, maximum = [statistics.median(values) for values in thirds], [max(values) for values in thirds]
    found = f"medians of three thirds: {' → '.join(f'{value:.0f}' for value in usual)} MiB, "
    found += f"maxima: {' → '.join(f'{value:.0f}' for value in maximum)} MiB, {soak.afterwards:.0f} afterwards"
    good = usual[2] <= (1 + _SHARE) * usual[0] and maximum[2] <= maximum[0] + _ROOM
    harness.report(attack.part, kind, "memory of the server and its children", found, good=good or not judged)


def _make_keys(store: str, projects: Sequence[str]) -> list[str]:
    """A key of each project. They have limits that nothing reaches, so that every request counts towards them."""
    limits = Limits(requests_per_minute=10**6, tokens_per_minute=10**9, concurrency=10**4)
    with opened(store) as database:
        keys = KeyStore(database)
        return [keys.create(NewKey(name=project, project=project, limits=limits)).key for project in projects]


def _memory(pid: int) -> float:
    """Resident MiB of a process and its children; those that end meanwhile count as nothing."""
    pages = 0
    for process in (pid, *children(pid)):
        with suppress(OSError):
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
