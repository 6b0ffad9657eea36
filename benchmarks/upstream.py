"""A model of an upstream: through Forefront and through LiteLLM's proxy, beside the upstream itself."""

import asyncio
import json
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.gateway import Round, make_key, measure
from benchmarks.http import peak_memory
from benchmarks.litellm import KEY as LITELLM_KEY
from benchmarks.litellm import VERSION, run_litellm
from benchmarks.report import table
from forefront.upstream.spec import UpstreamSpec
from tests.support.instant import KEY, MODEL, Nursery
from torture.processor import processor_seconds

_SECONDS: Final = 3.0
_FIELDS: Final = {"messages": [{"role": "user", "content": "Hello"}]}
_TOKENS: Final = 64
# Title, tokens, streamed, clients at a time.
_CASES: Final = (("1 token", 1, False, 1), ("1 token", 1, False, 32), ("64, streamed", _TOKENS, True, 32))


@dataclass
class Way:
    """One way to the upstream: a server, the key and the name of the model there, and what was measured."""

    url: str
    key: str
    model: str
    pid: int
    rounds: dict[int, list[Round]] = field(default_factory=dict)
    processor: dict[int, list[float]] = field(default_factory=dict)  # seconds for each request


def run(repeats: int) -> None:
    """Print the tables."""
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
            "the upstream itself": Way(upstream.url, KEY, MODEL, upstream.process.pid),
            "Forefront": Way(server.url, key, "through", server.process.pid),
            f"LiteLLM {VERSION}": Way(litellm.url, LITELLM_KEY, MODEL, litellm.process.pid),
        }
        for case, (_, tokens, streamed, clients) in enumerate(_CASES):
            for number in range(repeats + 1):
                for way in ways.values():
                    body = _body(way.model, tokens, streamed=streamed)
                    before = processor_seconds(way.pid)
                    measured = asyncio.run(measure(way.url, [way.key] * clients, body, _SECONDS))
                    if number:  # the first warms up
                        way.rounds.setdefault(case, []).append(measured)
                        spent = processor_seconds(way.pid) - before
                        way.processor.setdefault(case, []).append(spent / (measured.rate * _SECONDS))
        memory = {name: peak_memory(way.pid) for name, way in ways.items()}
    _report(ways, memory)


def _body(model: str, tokens: int, *, streamed: bool) -> bytes:
    return json.dumps(_FIELDS | {"model": model, "max_tokens": tokens, "stream": streamed}).encode()


def _report(ways: dict[str, Way], memory: dict[str, float]) -> None:
    direct = next(iter(ways.values()))
    rows: list[list[object]] = []
    for case, (answer, tokens, _, clients) in enumerate(_CASES):
        for name, way in ways.items():
            pairs = list(zip(way.rounds[case], direct.rounds[case], strict=True))
            rate = statistics.median(one.rate for one, _ in pairs)
            ratio = statistics.median(one.rate / other.rate for one, other in pairs)
            more = statistics.median(one.median - other.median for one, other in pairs)
            spent = statistics.median(way.processor[case]) * 1e6
            rows.append(
                [answer, clients, name, f"{rate:.0f}", f"{rate * tokens:.0f}", ratio, f"{more:.2f}", f"{spent:.0f}"]
            )
    head = ["answer", "clients", "way", "requests/s", "tokens/s", "÷ the upstream", "more ms", "processor µs"]
    table("A model of an upstream, with answers that take no time", head, rows)
    table("Peak memory", ["way", "MiB"], [[name, f"{mib:.0f}"] for name, mib in memory.items()])
