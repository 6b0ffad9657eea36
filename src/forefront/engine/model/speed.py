"""The speed of a compiled model: prefill, decode of one stream and of many."""

import math
import time
from dataclasses import astuple, dataclass
from typing import Final, Self

from forefront.engine.model.model import PagedModel
from forefront.engine.model.step_inputs import SequenceInput

STREAMS: Final = 16
PROMPT: Final = 256
# Tokens before the measured ones, and steps of decoding per round.
_CONTEXT: Final = 512
_SINGLE_STEPS: Final = 8
_STREAMS_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second: of a prompt, of one stream, and of `STREAMS` streams together."""

    prompt: float = 0.0
    single: float = 0.0
    streams: float = 0.0

    def best(self, other: Self) -> "Speed":
        """The higher speed of each kind: other work on the machine only makes a measurement slower."""
        return Speed(*map(max, astuple(self), astuple(other)))

    def ratio(self, other: Self) -> float:
        """The geometric mean of the three ratios to another speed."""
        ratios: list[float] = [a / b for a, b in zip(astuple(self), astuple(other), strict=True)]
        return math.prod(ratios) ** (1 / len(ratios))


def measure_speed(model: PagedModel, seconds: float) -> Speed:
    """The best of as many rounds as fit into that time, and of two at least."""
    end = time.perf_counter() + seconds
    best = _round(model)  # makes the kernels of these sizes
    while True:
        best = best.best(_round(model))
        if time.perf_counter() >= end:
            return best


def _round(model: PagedModel) -> Speed:
    prompt = min(PROMPT, model.context_length)
    return Speed(
        _tokens_per_second(model, 1, prompt, 0, 1),
        _tokens_per_second(model, 1, 1, _CONTEXT, _SINGLE_STEPS),
        _tokens_per_second(model, STREAMS, 1, _CONTEXT, _STREAMS_STEPS),
    )


def _tokens_per_second(model: PagedModel, streams: int, tokens: int, context: int, steps: int) -> float:
    """The fastest of `steps` equal passes: each stream has `tokens` new tokens after `context` others, at most as many
    as the model has room for. The contents of the cache do not matter."""
    context = max(0, min(context, model.context_length - tokens))
    per_stream = -(-(context + tokens) // model.block_size)
    inputs = [
        SequenceInput(context, [0] * tokens, [(stream * per_stream + n) % model.block_count for n in range(per_stream)])
        for stream in range(streams)
    ]
    rows = [(stream + 1) * tokens - 1 for stream in range(streams)]
    fastest = math.inf
    for _ in range(steps):
        start = time.perf_counter()
        model.run(inputs, rows, [1.0] * streams)
        fastest = min(fastest, time.perf_counter() - start)
    return streams * tokens / fastest
