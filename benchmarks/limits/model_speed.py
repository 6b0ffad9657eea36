"""The speed of a model in the engine, without HTTP: prefill, decoding, and the host's share of a step."""

import asyncio
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.models import load_parts
from forefront.engine.engine import Engine
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.step_inputs import SequenceInput
from forefront.engine.request import GenerateRequest, SamplingParams

PREFILL: Final = 512
STREAMS: Final = (1, 8, 32)
_ROUNDS: Final = 3
_STEPS: Final = 24
_PROMPT: Final = 32
_CONTEXT: Final = 1024


@dataclass(frozen=True, slots=True)
class ModelSpeed:
    """`prefill`: tokens per second of a prompt of 512 tokens in one pass. `decode`: tokens per second by the number of
    streams, in a plain loop over the model. `host_share`: of the engine's steps with 32 streams, the part that is not
    the forward pass."""

    prefill: float
    decode: dict[int, float]
    host_share: float


def measure_model(path: Path, streams: tuple[int, ...] = STREAMS, prefill: int = PREFILL) -> ModelSpeed:
    """The best of several rounds, since noise only adds."""
    parts = load_parts(path)
    model = PagedModel(parts.graph, _CONTEXT, ModelOptions(contexts=8))
    decode = {count: max(_decode(model, count) for _ in range(_ROUNDS)) for count in streams}
    speed = max(_prefill(model, prefill) for _ in range(_ROUNDS))
    share = min(asyncio.run(_host_share(model, max(streams))) for _ in range(_ROUNDS))
    return ModelSpeed(speed, decode, share)


def _prefill(model: PagedModel, tokens: int) -> float:
    blocks = list(range(-(-tokens // model.block_size)))
    prompt = _tokens(model, tokens)
    begin = time.perf_counter()
    model.run([SequenceInput(0, prompt, blocks)], [tokens - 1], [1.0])
    return tokens / (time.perf_counter() - begin)


def _decode(model: PagedModel, streams: int) -> float:
    blocks = -(-(_PROMPT + _STEPS) // model.block_size)
    tables = [list(range(index * blocks, (index + 1) * blocks)) for index in range(streams)]
    for table in tables:
        model.run([SequenceInput(0, _tokens(model, _PROMPT), table)], [_PROMPT - 1], [1.0])
    last, rows, temperatures = _tokens(model, streams), list(range(streams)), [1.0] * streams
    times = []
    for step in range(_STEPS):
        inputs = [SequenceInput(_PROMPT + step, [token], table) for token, table in zip(last, tables, strict=True)]
        begin = time.perf_counter()
        last = model.run(inputs, rows, temperatures).top_tokens[:, 0].tolist()
        times.append(time.perf_counter() - begin)
    return streams / statistics.median(times)


async def _host_share(model: PagedModel, streams: int) -> float:
    """The time of the engine's thread outside the forward pass, divided by all of its time, by steps."""
    engine = Engine(model)
    engine.start()
    timed = _TimedRequest(model._request)

    async def generate() -> None:
        request = GenerateRequest(_tokens(model, _PROMPT), _STEPS + 8, SamplingParams(temperature=0))
        async for _ in engine.submit(request):
            pass

    model._request = timed
    try:
        await asyncio.gather(*(generate() for _ in range(streams)))
    finally:
        await engine.stop()
        model._request = timed._request
    pairs = list(zip(timed.begun[1:], timed.ended, strict=False))
    outside = [begun - ended for begun, ended in pairs]
    inside = [ended - begun for begun, ended in zip(timed.begun, timed.ended, strict=True)]
    return statistics.median(outside) / (statistics.median(outside) + statistics.median(inside))


class _TimedRequest:
    """An OpenVINO request that records the begin and the end of each pass."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.begun: list[float] = []
        self.ended: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    def infer(self) -> None:
        """One forward pass."""
        self.begun.append(time.perf_counter())
        self._request.infer()
        self.ended.append(time.perf_counter())

    def start_async(self) -> None:
        """Begin a forward pass."""
        self.begun.append(time.perf_counter())
        self._request.start_async()

    def wait(self) -> None:
        """Wait for its end."""
        self._request.wait()
        self.ended.append(time.perf_counter())


def _tokens(model: PagedModel, count: int) -> list[int]:
    return [random.randrange(300, model.vocabulary_size) for _ in range(count)]
