"""One project's hostile fields, and meanwhile `/health` and another project's time to first token."""

import asyncio
import itertools
import json
import statistics
import time
from typing import Any

from tests.support.hostile import HOSTILE, Hostile, Watch, matching_stops
from tests.support.server import RunningServer
from torture.client import CHAT, Client
from torture.harness import Harness, entered

_AT_ONCE = 4
_ROUNDS = 3
_TRIES = 5  # of the neighbour, for each field
_QUESTION: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 2,
    "stream": True,
}
# Seconds, on a machine that other programs use too; see `docs/reliability.md` for an idle machine.
_SILENCE = 1.5
_WAIT = 1.0


async def run(harness: Harness) -> None:
    """Each field `_ROUNDS` times by `_AT_ONCE` connections of one project, on a server for each store."""
    stops = matching_stops(harness.folder / harness.tiny().partition("=")[2], 1000)
    fields = {name: field for name, field in HOSTILE.items() if not field.path.startswith("/admin/")}
    fields["matching stops"] = stops
    chosen = list(fields)[:: max(len(fields) // harness.count(len(fields)), 1)]
    for kind in harness.stores:
        server = harness.serve(harness.new_store(kind), "forefront-mini", harness.tiny())
        async with entered(server) as running:
            await _on(harness, kind, running, {name: fields[name] for name in chosen})


async def _on(harness: Harness, kind: str, server: RunningServer, fields: dict[str, Hostile]) -> None:
    hostile, neighbour = await _project(server, "hostile"), await _project(server, "neighbour")
    alone = statistics.median([await _first_token(server, neighbour) for _ in range(4 * _TRIES)])
    silences: dict[str, float] = {}
    waits: dict[str, float] = {}
    wrong: set[str] = set()
    for name in fields:
        silences[name], waits[name], statuses = await _under(server, hostile, neighbour, fields[name])
        if not statuses <= {*fields[name].statuses, 429, 503}:  # four at once may be more than one key may hold
            wrong.add(f"{name}: {sorted(statuses)}")
    done = f"{len(fields)} hostile fields, {_AT_ONCE * _ROUNDS} times each"
    worst = max(silences, key=silences.__getitem__)
    found = f"{_ms(statistics.median(silences.values()))} in the middle, {_ms(silences[worst])} under {worst}"
    harness.report("hostile", kind, f"{done}: the longest silence of /health", found, good=silences[worst] < _SILENCE)
    worst = max(waits, key=waits.__getitem__)
    found = (
        f"{_ms(alone)} alone; {_ms(statistics.median(waits.values()))} in the middle, {_ms(waits[worst])} under {worst}"
    )
    good = waits[worst] < 2 * alone + _WAIT
    harness.report("hostile", kind, "a neighbour's first token meanwhile (median)", found, good=good)
    found = "; ".join(sorted(wrong)) or "as documented"
    harness.report("hostile", kind, "answers to the hostile project", found, good=not wrong)


async def _under(server: RunningServer, hostile: str, neighbour: str, field: Hostile) -> tuple[float, float, set[int]]:
    """The longest silence, the neighbour's median wait, and the statuses that the field got."""
    sends = itertools.count()
    statuses: set[int] = set()

    async def attack() -> None:
        client = Client(server.url, hostile)
        while next(sends) < _AT_ONCE * _ROUNDS:
            statuses.add((await client.send(field.method, field.path, field.body, **dict(field.headers))).status)

    watch = Watch(server.url)
    async with entered(watch()):
        attacks = [asyncio.create_task(attack()) for _ in range(_AT_ONCE)]
        waits = [await _first_token(server, neighbour) for _ in range(_TRIES)]
        await asyncio.gather(*attacks)
    return watch.longest, statistics.median(waits), statuses


async def _project(server: RunningServer, name: str) -> str:
    """A key of its own project."""
    admin = Client(server.url, server.key)
    await admin.send("PUT", f"/admin/projects/{name}", b"{}")
    made = await admin.send("POST", "/admin/keys", json.dumps({"name": name, "project": name}).encode())
    key: str = json.loads(made.body)["key"]
    return key


async def _first_token(server: RunningServer, key: str) -> float:
    """Seconds until the first event of a short answer; infinity for none."""
    client, begin = Client(server.url, key), time.perf_counter()
    try:
        reader = await client.begin("POST", CHAT, json.dumps(_QUESTION).encode())
        status = (await reader.readline()).split()[1]
        await reader.readuntil(b"data: ")
        return time.perf_counter() - begin if status == b"200" else float("inf")
    except (OSError, EOFError):
        return float("inf")
    finally:
        client.abort()


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
