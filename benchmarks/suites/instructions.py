"""The work of the interpreter for a request: calls of Python functions and bytecode instructions, with the most costly
functions. Instant answers, a key with limits and a budget, the ledger on SQLite; one client. Chat completions are
counted for a backend of the server and for a model of an upstream, and so are streams whose tokens come one by one. The
same answers are counted for the other APIs, and requests that run no model."""

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
from torture.client import CHAT, Answer, Client

REQUESTS: Final = 100
THROUGH: Final = "through"  # the model of the upstream
_APIS: Final = (("chat", CHAT), ("Responses", "/v1/responses"), ("Messages", "/v1/messages"))
_ANSWERS: Final = ((1, False), (64, True))
# Models whose tokens come apart, and the seconds between two of them.
_PACED: Final = "paced"
_PACED_THROUGH: Final = "paced through"
_PAUSE: Final = 0.004
_PACED_REQUESTS: Final = 10
_TOKENS: Final = 64
_SHOWN: Final = 15
_PLAIN: Final = ("/health", "/v1/models")  # paths of requests without a body


@dataclass(frozen=True)
class Case:
    """Answers of `tokens` tokens of a model over an API, whose path is `path`."""

    tokens: int = 1
    streamed: bool = False
    model: str = MODEL
    path: str = CHAT

    @property
    def title(self) -> str:
        """For a table."""
        if self.path in _PLAIN:
            return f"GET {self.path}"
        return f"{self.tokens} token{'s' if self.tokens > 1 else ''}{', streamed' if self.streamed else ''}"

    @property
    def method(self) -> str:
        """Of the request."""
        return "GET" if self.path in _PLAIN else "POST"

    def body(self, message: str) -> bytes:
        """Of a request with that message."""
        return b"" if self.path in _PLAIN else json.dumps(self._fields(message)).encode()

    def _fields(self, message: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"model": self.model, "stream": self.streamed}
        if self.path == "/v1/responses":
            return fields | {"input": message, "max_output_tokens": self.tokens}
        return fields | {"messages": [{"role": "user", "content": message}], "max_tokens": self.tokens}


CASES: Final = tuple(Case(*answer) for answer in _ANSWERS)
PLAIN_CASES: Final = tuple(Case(path=path) for path in _PLAIN)


@dataclass(frozen=True)
class Counts:
    """Calls of Python functions and, by function, instructions, for each request."""

    calls: float
    instructions: dict[str, float]

    @property
    def total(self) -> float:
        """All instructions of a request."""
        return sum(self.instructions.values())

    @property
    def of_server(self) -> float:
        """Those of a request without the benchmark's own backend."""
        return sum(count for name, count in self.instructions.items() if "/tests/support/" not in name)


def run(_repeats: int) -> None:
    """Print the tables."""
    cases = [*(Case(*answer, model) for model in (MODEL, THROUGH) for answer in _ANSWERS), *PLAIN_CASES]
    titles = [case.title + (", upstream" if case.model == THROUGH else "") for case in cases]
    measured = _measure_apart(cases)
    rows = [[title, round(counts.calls), round(counts.total)] for title, counts in zip(titles, measured, strict=True)]
    table("Work of the interpreter per request", ["answer", "calls", "instructions"], rows)
    paced = _measure_apart([Case(_TOKENS, True, model) for model in (_PACED, _PACED_THROUGH)], _PACED_REQUESTS)
    each = [
        [title, round(counts.calls / _TOKENS), round(counts.total / _TOKENS)]
        for title, counts in zip(("this server", "a model of an upstream"), paced, strict=True)
    ]
    table("Work of the interpreter per token that comes alone", ["stream of", "calls", "instructions"], each)
    _report_apis()
    for title, counts in zip(titles, measured, strict=True):
        top = [[name, round(count)] for name, count in Counter(counts.instructions).most_common(_SHOWN)]
        table(f"Instructions per request, {title}", ["function", "instructions"], top)


def _report_apis() -> None:
    """Print the table of the APIs, without the work of the benchmark's own backend."""
    cases = [Case(*answer, MODEL, path) for answer in _ANSWERS for _, path in _APIS]
    names = [name for _ in _ANSWERS for name, _ in _APIS]
    rows: list[list[object]] = []
    chat = 0.0
    for case, name, counts in zip(cases, names, _measure_apart(cases), strict=True):
        total = counts.of_server
        chat = total if case.path == CHAT else chat
        rows.append([case.title, name, round(counts.calls), round(total), f"{total / chat:.2f}"])
    table("Work of the interpreter by API", ["answer", "API", "calls", "instructions", "÷ chat"], rows)


def _measure_apart(cases: Sequence[Case], requests: int = REQUESTS) -> list[Counts]:
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as name:
        return measure(Path(name), cases, requests)


def measure(folder: Path, cases: Sequence[Case], requests: int = REQUESTS) -> list[Counts]:
    """The work for a request of each case, the mean of so many. The model `THROUGH` is that of an upstream."""
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
            return [asyncio.run(_measure(Client(server.url, key), case, requests)) for case in cases]


async def _measure(client: Client, case: Case, requests: int) -> Counts:
    async def send(case: Case, message: str) -> Answer:
        answer = await client.send(case.method, case.path, case.body(message))
        if answer.status != 200 or not answer.ended:
            raise RuntimeError(f"a request failed: {answer}")
        return answer

    for _ in range(requests // 5):
        await send(case, "Hello")
    await send(CASES[0], BEGIN)
    for _ in range(requests):
        await send(case, "Hello")
    report = json.loads((await send(CASES[0], REPORT)).content())
    client.abort()
    instructions = {name: count / requests for name, count in report["instructions"].items()}
    return Counts(report["calls"] / requests, instructions)
