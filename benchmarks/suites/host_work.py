"""The engine's own work between two forward passes: scheduling, inputs, sampling, delivery.

Figures are processor time of the engine's thread outside the forward pass, which other work on the machine affects less
than wall-clock time. The model is tiny, but its vocabulary has 32,768 tokens.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.report import table
from forefront.engine.engine import Engine
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from tests.support.models.loaded import build
from tests.support.models.random_model import write_random_gguf

_VOCABULARY: Final = 32_768
_CONTEXT: Final = 8192
_STREAMS: Final = (1, 8, 32, 64)
_TOKENS: Final = 120
# Each case: tokens of the prompt, sampling settings.
_CASES: Final[Mapping[str, tuple[int, dict[str, Any]]]] = {
    "greedy": (60, {"temperature": 0}),
    "greedy, 4,000 tokens of context": (4000, {"temperature": 0}),
    "temperature 1, top_p 0.95": (60, {"temperature": 1, "top_p": 0.95}),
    "greedy, 5 log-probabilities": (60, {"temperature": 0, "top_logprobs": 5}),
    "temperature 0.7, 5 log-probabilities": (60, {"temperature": 0.7, "top_logprobs": 5}),
    "greedy, repetition penalty, 4,000 tokens": (4000, {"temperature": 0, "repetition_penalty": 1.1}),
}


class TimedRequest:
    """An OpenVINO request that records the thread's processor time outside `infer`, in seconds."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._ended: float | None = None
        self.gaps: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    def infer(self) -> None:
        """One forward pass."""
        if self._ended is not None:
            self.gaps.append(time.thread_time() - self._ended)
        self._request.infer()
        self._ended = time.thread_time()


def load_tiny_model(folder: Path) -> PagedModel:
    """Two layers of random weights with a large vocabulary."""
    path = folder / "tiny.gguf"
    write_random_gguf(path, vocab_size=_VOCABULARY, context=_CONTEXT, layers=2)
    return PagedModel(build(path, folder / "cache").graph, _CONTEXT, ModelOptions(contexts=40))


async def measure(model: PagedModel, streams: int, length: int, settings: dict[str, Any]) -> tuple[float, int]:
    """The median milliseconds of host work per step, and a checksum of the tokens."""
    chance = random.Random(length)
    shared = [chance.randrange(3, _VOCABULARY) for _ in range(length)]
    engine = Engine(model)
    engine.start()

    async def generate(index: int, tokens: int) -> list[int]:
        request = GenerateRequest([*shared, index + 3], tokens, SamplingParams(seed=index, **settings))
        return [token.token async for batch in engine.submit(request) for token in batch]

    try:
        await generate(_VOCABULARY - 4, 1)  # caches the shared prompt
        timed = TimedRequest(model._request)
        model._request = timed
        answers = await asyncio.gather(*(generate(index, _TOKENS) for index in range(streams)))
    finally:
        await engine.stop()
        model._request = timed._request
    return 1000 * statistics.median(timed.gaps), hash(tuple(map(tuple, answers))) % 10**6


def run(repeats: int) -> None:
    """Print the table: the least of `repeats` rounds, since noise only adds."""
    with tempfile.TemporaryDirectory(prefix="forefront-bench-") as folder:
        model = load_tiny_model(Path(folder))
        rows: list[list[object]] = []
        for name, (length, settings) in _CASES.items():
            figures, checks = [], []
            for streams in _STREAMS:
                rounds = [asyncio.run(measure(model, streams, length, settings)) for _ in range(repeats)]
                figures.append(f"{min(milliseconds for milliseconds, _ in rounds):.2f}")
                checks.append(f"{rounds[0][1]:06d}")
            rows.append([name, *figures, " ".join(checks)])
    table("Host work per step, ms", ["sampling", *(f"{count} rows" for count in _STREAMS), "tokens' checksums"], rows)
