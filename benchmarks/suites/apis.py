"""The cost of each API beside chat completions, with answers that take no time.

The ratio is of the server's processor time per request, which other programs on the machine change little.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.report import table
from benchmarks.suites.gateway import measure
from forefront.cli.settings.sections import Config
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery

_SECONDS = 1.0
_CHAT = "/v1/chat/completions"
_RESPONSES = "/v1/responses"
_PATHS = {"chat completions": _CHAT, "Responses": _RESPONSES, "Messages": "/v1/messages"}
# Tokens of an answer, whether it is streamed, clients at a time.
_CASES = ((1, False, 8), (64, False, 8), (64, True, 1), (64, True, 8))


def run(repeats: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as folder:
        store, log = f"sqlite:///{Path(folder) / 'forefront.db'}", Path(folder) / "log"
        with Nursery().serve(store, log, settings=Config()) as server:
            rows = [row for case in _CASES for row in _rows(server, repeats, *case)]
    head = ["tokens", "streamed", "clients", "API", "requests/s", "processor ms per request", "÷ chat completions"]
    table("Each API, with answers that take no time", head, rows)


def _rows(server: Instant, repeats: int, tokens: int, stream: bool, clients: int) -> list[list[object]]:
    rates: dict[str, list[float]] = {name: [] for name in _PATHS}
    costs: dict[str, list[float]] = {name: [] for name in _PATHS}
    for number in range(repeats + 1):
        for name, path in _PATHS.items():
            body, begin, used = _body(path, tokens, stream=stream), time.perf_counter(), _processor_seconds(server)
            measured = asyncio.run(measure(server.url, [KEY] * clients, body, _SECONDS, path))
            requests = measured.rate * (time.perf_counter() - begin)
            if number:  # the first warms up
                rates[name].append(measured.rate)
                costs[name].append((_processor_seconds(server) - used) / requests * 1000)
    rows: list[list[object]] = []
    for name in _PATHS:
        ratio = statistics.median(costs[name]) / statistics.median(costs["chat completions"])
        row = [tokens, "yes" if stream else "no", clients, name, f"{statistics.median(rates[name]):.0f}"]
        rows.append([*row, f"{statistics.median(costs[name]):.2f}", f"{ratio:.2f}"])
    return rows


def _processor_seconds(server: Instant) -> float:
    """The processor time of the server so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _body(path: str, tokens: int, *, stream: bool) -> bytes:
    fields: dict[str, object] = {"model": MODEL, "stream": stream}
    if path == _RESPONSES:
        fields |= {"input": "Hello", "max_output_tokens": tokens}
    else:
        fields |= {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": tokens}
    return json.dumps(fields).encode()
