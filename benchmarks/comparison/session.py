"""The peers that serve one model file, and the rounds that alternate between them."""

import asyncio
import os
import sys
import time
import zlib
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.load.figures import median_figures
from benchmarks.peers import llama_server, openvino_genai
from benchmarks.peers.forefront_server import run_forefront
from benchmarks.peers.llama_server import run_llama_server
from benchmarks.peers.openvino_genai import run_openvino_genai
from benchmarks.peers.peer import Peer
from benchmarks.peers.usage import PeakMemory, joules, watch_memory
from benchmarks.workloads.closed_loop import ClosedLoop
from benchmarks.workloads.workload import Figures, TextSize, Workload, measure_text_size

Starter = Callable[[Path, Path], AbstractContextManager[Peer]]
"""Serves a model file, with the log in the second path."""

THREADS: Final = os.cpu_count() or 1
_SLOTS: Final = 32
_POOL: Final = 32_768
"""Tokens of llama-server's KV cache, which its slots share: as fast as their own slots, in a third of the memory."""
_LLAMA_OPTIONS: Final = ("--parallel", str(_SLOTS), "--ctx-size", str(_POOL), "--kv-unified")
_DRAFTS: Final = (
    "--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "4", "--spec-ngram-simple-size-m", "16",
)  # fmt: skip
_ROUND_SECONDS: Final = 900.0
LLAMA_WITH_DRAFTS: Final = f"{llama_server.NAME} with n-gram drafts"


@dataclass
class Session:
    """Running peers, by name. `memory`: the peak of each so far."""

    peers: dict[str, Peer]
    memory: dict[str, PeakMemory]
    size: TextSize = field(default_factory=lambda: TextSize(1.0, 0.0))

    def alternate(self, workload: Workload, rounds: int) -> dict[str, Any]:
        """The rounds of a workload for each peer, and their medians. Every other round has the reverse order."""
        measured: dict[str, list[Figures]] = {}
        names = [name for name in self.peers if takes_part(name, workload)]
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                figures = self.measure(workload, self.peers[name], number)
                measured.setdefault(name, []).append(figures)
        return self.described(
            {name: {"rounds": measured[name], "median": median_figures(measured[name])} for name in names}
        )

    def measure(self, workload: Workload, peer: Peer, number: int) -> Figures:
        """One round, whose prompts are those of no other round or workload: nothing of them is cached. Raises
        `TimeoutError` after 15 minutes."""
        seed = zlib.crc32(f"{workload.name} {number}".encode())
        before = joules()
        figures = asyncio.run(_bounded(workload.round(peer, self.size, seed)))
        after = joules()
        if before is not None and after is not None and after > before and figures["tokens"]:
            figures["joules_per_token"] = (after - before) / figures["tokens"]
        return figures

    def described(self, peers: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """The results of a part, with the version and the peak memory of each peer."""
        return {
            "peers": {
                name: {
                    "version": self.peers[name].version,
                    "memory": {"pss_mib": self.memory[name].pss, "rss_mib": self.memory[name].rss},
                    **content,
                }
                for name, content in peers.items()
            }
        }


def takes_part(name: str, workload: Workload) -> bool:
    """OpenVINO GenAI has no server, so it runs closed loops alone."""
    return name != openvino_genai.NAME or isinstance(workload, ClosedLoop)


async def _bounded(measured: Coroutine[Any, Any, Figures]) -> Figures:
    return await asyncio.wait_for(measured, _ROUND_SECONDS)


def standard_peers() -> list[Starter]:
    """Forefront, llama-server and OpenVINO GenAI, each with its best settings."""
    return [_forefront, _llama(_LLAMA_OPTIONS), _genai]


def quoting_peers() -> list[Starter]:
    """Forefront, and llama-server without and with drafts."""
    return [_forefront, _llama(_LLAMA_OPTIONS), _drafting_llama]


@contextmanager
def open_session(starters: Sequence[Starter], model: Path, logs: Path) -> Iterator[Session]:
    """Start the peers and warm them up. Raises `PeerError`."""
    with ExitStack() as stack:
        session = Session({}, {})
        for number, starter in enumerate(starters):
            begin = time.perf_counter()
            peer = stack.enter_context(starter(model, logs / f"{model.stem}-{number}.log"))
            session.peers[peer.name] = peer
            session.memory[peer.name] = stack.enter_context(watch_memory(peer.pid))
            print(
                f"  {peer.name} serves {model.name} ({time.perf_counter() - begin:.0f} s)", file=sys.stderr, flush=True
            )
        sizes = [asyncio.run(measure_text_size(peer)) for peer in session.peers.values()]  # warms up too
        session.size = sizes[0]
        yield session


def _forefront(model: Path, log: Path) -> AbstractContextManager[Peer]:
    return run_forefront(model, threads=THREADS, log=log)


def _genai(model: Path, log: Path) -> AbstractContextManager[Peer]:
    return run_openvino_genai(model, threads=THREADS, log=log)


def _llama(options: Sequence[str], name: str = llama_server.NAME) -> Starter:
    def start(model: Path, log: Path) -> AbstractContextManager[Peer]:
        return run_llama_server(model, threads=THREADS, options=options, log=log, name=name)

    return start


def _drafting_llama(model: Path, log: Path) -> AbstractContextManager[Peer]:
    return _llama([*_LLAMA_OPTIONS, *_DRAFTS], LLAMA_WITH_DRAFTS)(model, log)
