"""Forefront beside llama.cpp's server: one GGUF file, the same threads, alternating rounds over HTTP."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.http import peak_memory
from benchmarks.llama_server import run_llama_server, version
from benchmarks.load import Stream, stream
from benchmarks.models import FOLDER
from benchmarks.report import table
from tests.support.server import run_server

_STREAMS: Final = (1, 8, 32)
_CONTEXT: Final = 2048
_WORDS: Final = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school")


@dataclass
class Peer:
    """One server under test, and its measurements by number of streams."""

    url: str
    key: str
    model: str
    rounds: dict[int, list["Round"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    """One closed-loop round. Rates in tokens per second, times in seconds."""

    throughput: float
    first_token: float
    first_token_p99: float
    gap_p99: float


def request(model: str, words: int, tokens: int) -> dict[str, Any]:
    """A prompt without a prefix that others share, answered greedily by exactly `tokens` tokens."""
    content = " ".join(random.choice(_WORDS) for _ in range(words))
    fields = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": tokens}
    # The end token of the random models is ruled out, so that every answer has the same length.
    return fields | {"temperature": 0, "logit_bias": {"2": -100}, "stream_options": {"include_usage": True}}


async def measure(peer: Peer, streams: int, words: int, tokens: int) -> Round:
    """Send `streams` requests together and read all answers."""
    begin = time.perf_counter()
    jobs = (stream(peer.url, peer.key, request(peer.model, words, tokens)) for _ in range(streams))
    answers: list[Stream] = list(await asyncio.gather(*jobs))
    seconds = time.perf_counter() - begin
    gaps = [b - a for answer in answers for a, b in zip(answer.arrivals, answer.arrivals[1:], strict=False)]
    first = [answer.first_token for answer in answers]
    total = sum(answer.tokens for answer in answers)
    return Round(total / seconds, statistics.median(first), _percentile(first, 0.99), _percentile(gaps, 0.99))


def run(path: Path, tokens: int, repeats: int, *, words: int = 200) -> None:
    """Print the table."""
    threads = os.cpu_count() or 1
    log = FOLDER / "llama-server.log"
    with (
        run_server([str(path)], FOLDER / "home") as server,
        run_llama_server(path, slots=max(_STREAMS), context=_CONTEXT, threads=threads, log=log) as llama,
    ):
        ours, theirs = Peer(server.url, server.key, path.stem), Peer(llama.url, "none", path.stem)
        for peer in (ours, theirs):
            asyncio.run(measure(peer, 8, words, 8))
        for streams in _STREAMS:
            for _ in range(repeats):
                for peer in (ours, theirs):
                    peer.rounds.setdefault(streams, []).append(asyncio.run(measure(peer, streams, words, tokens)))
        memory = [peak_memory(process.pid) for process in (server.process, llama.process)]
    head = ["streams", "Forefront tokens/s", "llama-server tokens/s", "ratio", "TTFT ratio", "TTFT p99 ratio"]
    title = f"Beside llama-server ({version()}, compiled here), {words} words in, {tokens} tokens out"
    table(title, [*head, "between tokens p99 ratio"], [_row(streams, ours, theirs) for streams in _STREAMS])
    table("Peak memory", ["Forefront MiB", "llama-server MiB", "ratio"], [[*map(round, memory), memory[0] / memory[1]]])


def _row(streams: int, ours: Peer, theirs: Peer) -> list[object]:
    a, b = _median(ours.rounds[streams]), _median(theirs.rounds[streams])
    rates = [f"{a.throughput:.0f}", f"{b.throughput:.0f}", a.throughput / b.throughput]
    times = [a.first_token / b.first_token, a.first_token_p99 / b.first_token_p99, a.gap_p99 / b.gap_p99]
    return [streams, *rates, *times]


def _median(rounds: Sequence[Round]) -> Round:
    columns = zip(
        *((each.throughput, each.first_token, each.first_token_p99, each.gap_p99) for each in rounds), strict=True
    )
    return Round(*map(statistics.median, columns))


def _percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
