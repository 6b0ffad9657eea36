"""The work of the interpreter for a request: calls of Python functions and bytecode instructions, with the most costly
functions. Instant answers, a key with limits and a budget, the ledger on SQLite; one client."""

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
from tests.support.counting import BEGIN, REPORT, CountingBackend
from tests.support.instant import MODEL, Nursery
from torture.client import Client

REQUESTS: Final = 100
CASES: Final = (("1 token", {"max_tokens": 1}), ("64, streamed", {"max_tokens": 64, "stream": True}))
_SHOWN: Final = 15


@dataclass(frozen=True)
class Counts:
    """Calls of Python functions for each request; instructions of all `REQUESTS`, by function."""

    calls: float
    instructions: Counter[str]


def run(_repeats: int) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as name:
        measured = measure(Path(name), [fields for _, fields in CASES])
    rows: list[list[object]] = []
    for (title, _), counts in zip(CASES, measured, strict=True):
        rows.append([title, round(counts.calls), round(counts.instructions.total() / REQUESTS)])
    table("Work of the interpreter per request", ["answer", "calls", "instructions"], rows)
    for (title, _), counts in zip(CASES, measured, strict=True):
        most = [[name, round(count / REQUESTS)] for name, count in counts.instructions.most_common(_SHOWN)]
        table(f"Instructions per request, {title}", ["function", "instructions"], most)


def measure(folder: Path, cases: Sequence[dict[str, Any]]) -> list[Counts]:
    """The work for a request with each of these fields."""
    store = f"sqlite:///{folder / 'forefront.db'}"
    with Nursery().serve(store, folder / "server.log", backends={MODEL: CountingBackend()}) as server:
        key = make_key(store)
        return [asyncio.run(_measure(Client(server.url, key), fields)) for fields in cases]


async def _measure(client: Client, fields: dict[str, Any]) -> Counts:
    async def send(message: str, **more: Any) -> str:
        answer = await client.chat(model=MODEL, messages=[{"role": "user", "content": message}], **more)
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
