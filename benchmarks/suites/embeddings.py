"""Embeddings beside llama-server: texts of 512 tokens, 32 in flight, a random model of Nomic's size in Q8_0."""

import asyncio
import os
import random
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx

from benchmarks.models import FOLDER
from benchmarks.peers.forefront_server import run_forefront
from benchmarks.peers.llama_server import run_llama_server
from benchmarks.peers.peer import Peer
from benchmarks.peers.usage import watch_memory
from benchmarks.report import table
from tests.support.models.random_decoder import Shape
from tests.support.models.random_encoder import ENCODERS, write_encoder

_SHAPE: Final = Shape(width=768, layers=12, heads=12, key_heads=12, head_width=64, hidden=3072)
_LENGTH: Final = 512
_IN_FLIGHT: Final = 32
_TEXTS: Final = 32
_FIRST, _LAST = 10, 250  # tokens that stand for text


def run(repeats: int) -> None:
    """Print the table: medians of alternating rounds."""
    path, threads = _write_model(), os.cpu_count() or 1
    context = str(_IN_FLIGHT * _LENGTH)
    options = ["--embedding", "--parallel", str(_IN_FLIGHT), "--ctx-size", context, "--batch-size", context]
    with ExitStack() as stack:
        peers = [
            stack.enter_context(run_forefront(path, threads=threads, log=FOLDER / "embeddings.log")),
            stack.enter_context(
                run_llama_server(path, threads=threads, options=options, log=FOLDER / "embeddings-llama.log")
            ),
        ]
        memory = {peer.name: stack.enter_context(watch_memory(peer.pid)) for peer in peers}
        for peer in peers:
            asyncio.run(_rate(peer, 2, 0))
        rates: dict[str, list[float]] = {peer.name: [] for peer in peers}
        for number in range(repeats):
            for peer in peers if number % 2 == 0 else reversed(peers):
                rates[peer.name].append(asyncio.run(_rate(peer, _TEXTS, number + 1)))
    ours, theirs = (statistics.median(rates[peer.name]) for peer in peers)
    rows = [[peer.name, statistics.median(rates[peer.name]), f"{memory[peer.name].pss:.0f}"] for peer in peers]
    table(f"Embeddings of {_LENGTH} tokens, {_IN_FLIGHT} in flight", ["peer", "texts/s", "peak memory MiB"], rows)
    print(f"{ours / theirs:.2f} times as many; the goal is 3: {'met' if ours / theirs >= 3 else 'missed'}.", flush=True)


def _write_model() -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "random-nomic-Q8_0.gguf"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        write_encoder(part, ENCODERS["nomic-bert"], shape=_SHAPE, quant="Q8_0")
        part.rename(path)
    return path


async def _rate(peer: Peer, count: int, seed: int) -> float:
    """Texts per second. No text repeats, so that nothing is cached."""
    chance = random.Random(seed)
    texts = [[chance.randrange(_FIRST, _LAST) for _ in range(_LENGTH)] for _ in range(count)]
    limit = asyncio.Semaphore(_IN_FLIGHT)
    headers = {"authorization": f"Bearer {peer.key}"}
    async with httpx.AsyncClient(base_url=peer.url, headers=headers, timeout=600) as client:

        async def embed(text: list[int]) -> None:
            async with limit:
                answer = await client.post("/v1/embeddings", json={"model": peer.model, "input": text})
                answer.raise_for_status()

        begin = time.perf_counter()
        await asyncio.gather(*map(embed, texts))
        return count / (time.perf_counter() - begin)
