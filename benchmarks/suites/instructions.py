"""The work of the interpreter for a request: calls of Python functions and bytecode instructions, with the most costly
functions. Instant answers, a key with limits and a budget, the ledger on SQLite; one client. Each case is counted for a
backend of the server and for a model of an upstream, and so are streams whose tokens come one by one."""

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
from tests.support.backends.instant import KEY, MODEL, InstantBackend, Nursery
from torture.client import Client

REQUESTS: Final = 100
CASES: Final = (("1 token", {"max_tokens": 1}), ("64, streamed", {"max_tokens": 64, "stream": True}))
THROUGH: Final = "through"  # the model of the upstream
_WAYS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (("", {}), (", upstream", {"model": THROUGH}))
# Models whose tokens come apart, and the seconds between two of them.
_PACED: Final = "paced"
_PACED_THROUGH: Final = "paced through"
_PAUSE: Final = 0.004
_PACED_REQUESTS: Final = 10
_TOKENS: Final = 64
_SHOWN: Final = 15


@dataclass(frozen=True)
class Counts:
    """Calls of Python functions and, by function, instructions, for each request."""

    calls: float
    instructions: dict[str, float]

    @property
    def total(self) -> float:
        """All instructions of a request."""
        return sum(self.instructions.values())


def run(_repeats: int) -> None:
    """Print the tables."""
    names = [(f"{title}{way}", fields | model) for way, model in _WAYS for title, fields in CASES]
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as name:
        measured = measure(Path(name), [fields for _, fields in names])
    paced_fields = {"max_tokens": _TOKENS, "stream": True}
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as name:
        paced = measure(
            Path(name), [paced_fields | {"model": model} for model in (_PACED, _PACED_THROUGH)], _PACED_REQUESTS
        )
    rows: list[list[object]] = []
    for (title, _), counts in zip(names, measured, strict=True):
        rows.append([title, round(counts.calls), round(counts.total)])
    table("Work of the interpreter per request", ["answer", "calls", "instructions"], rows)
    each = [
        [title, round(counts.calls / _TOKENS), round(counts.total / _TOKENS)]
        for title, counts in zip(("this server", "a model of an upstream"), paced, strict=True)
    ]
    table("Work of the interpreter per token that comes alone", ["stream of", "calls", "instructions"], each)
    for (title, _), counts in zip(names, measured, strict=True):
        most = [[name, round(count)] for name, count in Counter(counts.instructions).most_common(_SHOWN)]
        table(f"Instructions per request, {title}", ["function", "instructions"], most)


def measure(folder: Path, cases: Sequence[dict[str, Any]], requests: int = REQUESTS) -> list[Counts]:
    """The work for a request with each of these fields, the mean of so many. The model `THROUGH` is that of an
    upstream."""
    store, nursery = f"sqlite:///{folder / 'forefront.db'}", Nursery()
    paced = InstantBackend(_PAUSE)
    answering = {MODEL: InstantBackend(), _PACED: paced}
    with nursery.serve(f"sqlite:///{folder / 'upstream.db'}", folder / "upstream.log", backends=answering) as upstream:
        specs = [
            UpstreamSpec(name, (f"{upstream.url}/v1",), model, key=KEY)
            for name, model in ((THROUGH, MODEL), (_PACED_THROUGH, _PACED))
        ]
        backends = {MODEL: CountingBackend(), _PACED: paced}
        with nursery.serve(store, folder / "server.log", backends=backends, upstreams=specs) as server:
            key = make_key(store)
            return [asyncio.run(_measure(Client(server.url, key), fields, requests)) for fields in cases]


async def _measure(client: Client, fields: dict[str, Any], requests: int) -> Counts:
    async def send(message: str, **more: Any) -> str:
        request = {"model": MODEL, "messages": [{"role": "user", "content": message}]} | more
        answer = await client.chat(**request)
        if answer.status != 200 or not answer.ended:
            raise RuntimeError(f"a request failed: {answer}")
        return answer.content()

    for _ in range(requests // 5):
        await send("Hello", **fields)
    await send(BEGIN)
    for _ in range(requests):
        await send("Hello", **fields)
    report = json.loads(await send(REPORT))
    client.abort()
    instructions = {name: count / requests for name, count in report["instructions"].items()}
    return Counts(report["calls"] / requests, instructions)
