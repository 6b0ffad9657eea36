"""The work of the interpreter for a request: calls of Python functions and bytecode instructions, with the most costly
functions. Instant answers, a key with limits and a budget, the ledger on SQLite; one client. Each case is counted for a
backend of the server and for a model of an upstream."""

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.report import table
from benchmarks.suites.gateway import make_key
from forefront.upstream.spec import UpstreamSpec
from tests.support.backends.counting import BEGIN, REPORT, CountingBackend
from tests.support.backends.instant import KEY, MODEL, Nursery
from torture.client import Client

REQUESTS: Final = 100
CASES: Final = (("1 token", {"max_tokens": 1}), ("64, streamed", {"max_tokens": 64, "stream": True}))
THROUGH: Final = "through"  # the model of the upstream
_WAYS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (("", {}), (", upstream", {"model": THROUGH}))
_SHOWN: Final = 15


@dataclass(frozen=True)
class Counts:
    """Calls of Python functions for each request; instructions of all `REQUESTS`, by function."""

    calls: float
    instructions: Counter[str]


def run(_repeats: int) -> None:
    """Print the tables."""
    names = [(f"{title}{way}", fields | model) for way, model in _WAYS for title, fields in CASES]
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as name:
        measured = measure(Path(name), [fields for _, fields in names])
    rows: list[list[object]] = []
    for (title, _), counts in zip(names, measured, strict=True):
        rows.append([title, round(counts.calls), round(counts.instructions.total() / REQUESTS)])
    table("Work of the interpreter per request", ["answer", "calls", "instructions"], rows)
    for (title, _), counts in zip(names, measured, strict=True):
        most = [[name, round(count / REQUESTS)] for name, count in counts.instructions.most_common(_SHOWN)]
        table(f"Instructions per request, {title}", ["function", "instructions"], most)


def measure(folder: Path, cases: Sequence[dict[str, Any]]) -> list[Counts]:
    """The work for a request with each of these fields. The model `THROUGH` is that of an upstream."""
    store, nursery = f"sqlite:///{folder / 'forefront.db'}", Nursery()
    with nursery.serve(f"sqlite:///{folder / 'upstream.db'}", folder / "upstream.log") as upstream:
        spec = UpstreamSpec(THROUGH, (f"{upstream.url}/v1",), MODEL, key=KEY)
        backends = {MODEL: CountingBackend()}
        with nursery.serve(store, folder / "server.log", backends=backends, upstreams=[spec]) as server:
            key = make_key(store)
            return [asyncio.run(_measure(Client(server.url, key), fields)) for fields in cases]


async def _measure(client: Client, fields: dict[str, Any]) -> Counts:
    async def send(message: str, **more: Any) -> str:
        request = {"model": MODEL, "messages": [{"role": "user", "content": message}]} | more
        answer = await client.chat(**request)
        if answer.status != 200 or not answer.ended:
            raise RuntimeError(f"a request failed: {answer}")
        return answer.content()

    for _ in range(20):
        await send("Hello", **fields)
    await send(BEGIN)
    for _ in range(REQUESTS):
        await send("Hello", **fields)
    report = json.loads(await send(REPORT))
    client.abort()
    return Counts(report["calls"] / REQUESTS, Counter(report["instructions"]))
