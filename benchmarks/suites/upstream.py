"""A model of an upstream: through Forefront and through LiteLLM's proxy, beside the upstream itself."""

import asyncio
import json
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.litellm import NAME as LITELLM
from benchmarks.peers.litellm import run_litellm
from benchmarks.peers.usage import PeakMemory
from benchmarks.report import table
from benchmarks.suites.gateway import Round, make_key, measure
from forefront.upstream.spec import UpstreamSpec
from tests.support.backends.instant import KEY, MODEL, Nursery
from torture.processor import processor_seconds

DIRECT: Final = "the upstream itself"
FOREFRONT: Final = "Forefront"
_SECONDS: Final = 3.0
_FIELDS: Final = {"messages": [{"role": "user", "content": "Hello"}]}
_TOKENS: Final = 64


@dataclass(frozen=True, slots=True)
class Case:
    """Answers of `tokens` tokens to `clients` clients at a time."""

    tokens: int
    streamed: bool
    clients: int

    @property
    def title(self) -> str:
        """For a table."""
        return f"{self.tokens} token{'s' if self.tokens > 1 else ''}{', streamed' if self.streamed else ''}"


CASES: Final = (Case(1, False, 1), Case(1, False, 16), Case(1, False, 32), Case(_TOKENS, True, 32))
_PATH_CASES: Final = CASES[:2]


@dataclass
class Way:
    """One way to the upstream: a server, the key and the name of the model there, and what was measured."""

    url: str
    key: str
    model: str
    pid: int
    memory: PeakMemory = field(default_factory=PeakMemory)
    rounds: dict[Case, list[Round]] = field(default_factory=dict)
    processor: dict[Case, list[float]] = field(default_factory=dict)  # seconds for each request


def run(repeats: int) -> None:
    """Print the tables."""
    _report(_measure(CASES, repeats))


def measure_http_path(rounds: int) -> dict[str, Any]:
    """Requests per second and median milliseconds of answers without a model, by way and number of clients. Raises
    `PeerError` if LiteLLM is not available."""
    ways = _measure(_PATH_CASES, rounds)
    return {
        "ways": {
            name: {
                str(case.clients): {
                    "requests_per_second": statistics.median(each.rate for each in way.rounds[case]),
                    "median_ms": statistics.median(each.median for each in way.rounds[case]),
                    "processor_us": statistics.median(way.processor[case]) * 1e6,
                }
                for case in _PATH_CASES
            }
            | {"memory_mib": way.memory.pss}
            for name, way in ways.items()
        }
    }


def _measure(cases: Sequence[Case], repeats: int) -> dict[str, Way]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forefront-bench-")))
        nursery = Nursery()
        upstream = stack.enter_context(nursery.serve(f"sqlite:///{folder / 'upstream.db'}", folder / "upstream.log"))
        store = f"sqlite:///{folder / 'forefront.db'}"
        key = make_key(store)
        spec = UpstreamSpec("through", (f"{upstream.url}/v1",), MODEL, key=KEY)
        server = stack.enter_context(nursery.serve(store, folder / "forefront.log", upstreams=[spec]))
        litellm = stack.enter_context(run_litellm(f"{upstream.url}/v1", KEY, MODEL, folder))
        assert upstream.process.pid is not None
        assert server.process.pid is not None
        ways = {
            DIRECT: Way(upstream.url, KEY, MODEL, upstream.process.pid),
            FOREFRONT: Way(server.url, key, "through", server.process.pid),
            f"{LITELLM} {litellm.version}": Way(litellm.url, litellm.key, MODEL, litellm.pid),
        }
        for case in cases:
            for number in range(repeats + 1):
                for way in ways.values():
                    _run_round(way, case, kept=number > 0)  # the first warms up
        return ways


def _run_round(way: Way, case: Case, *, kept: bool) -> None:
    fields = _FIELDS | {"model": way.model, "max_tokens": case.tokens, "stream": case.streamed}
    before = processor_seconds(way.pid)
    measured = asyncio.run(measure(way.url, [way.key] * case.clients, json.dumps(fields).encode(), _SECONDS))
    way.memory.sample(way.pid)
    if kept:
        way.rounds.setdefault(case, []).append(measured)
        spent = processor_seconds(way.pid) - before
        way.processor.setdefault(case, []).append(spent / (measured.rate * _SECONDS))


def _report(ways: dict[str, Way]) -> None:
    direct = ways[DIRECT]
    rows: list[list[object]] = []
    for case in CASES:
        for name, way in ways.items():
            pairs = list(zip(way.rounds[case], direct.rounds[case], strict=True))
            rate = statistics.median(one.rate for one, _ in pairs)
            ratio = statistics.median(one.rate / other.rate for one, other in pairs)
            more = statistics.median(one.median - other.median for one, other in pairs)
            spent = statistics.median(way.processor[case]) * 1e6
            figures = [f"{rate:.0f}", f"{rate * case.tokens:.0f}", ratio, f"{more:.2f}", f"{spent:.0f}"]
            rows.append([case.title, case.clients, name, *figures])
    head = ["answer", "clients", "path", "requests/s", "tokens/s", "÷ the upstream", "added ms", "processor µs"]
    table("A model of an upstream, with answers that take no time", head, rows)
    table("Peak memory", ["path", "MiB"], [[name, f"{way.memory.pss:.0f}"] for name, way in ways.items()])
