"""The highest speeds of a model within the machine's limits: the roofline (Williams, Waterman and Patterson 2009)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """`bandwidth`: bytes per second. `int8`, `int8_batch`, `float32`: operations per second of the model's matrices
    with 512 tokens, 32 tokens, and 512 tokens in 32 bits. `weight_bytes`: of all matrices, in the file's format.
    `layer_operations`, `output_operations`: for a token, and for a token that is sampled."""

    bandwidth: float
    int8: float
    int8_batch: float
    float32: float
    weight_bytes: int
    layer_operations: float
    output_operations: float

    @property
    def peak(self) -> float:
        """Operations per second: the best that was measured."""
        return max(self.int8, self.int8_batch, self.float32)

    def prefill_seconds(self, tokens: float) -> float:
        """The least time to compute `tokens` prompt tokens."""
        return tokens * self.layer_operations / self.peak

    def step_seconds(self, streams: int) -> float:
        """The least time of a decoding step: that of reading the weights, or of the products. Keys and values count for
        nothing."""
        return max(self.weight_bytes / self.bandwidth, streams * self.token_operations / self.peak)

    @property
    def token_operations(self) -> float:
        """Operations for a decoded token."""
        return self.layer_operations + self.output_operations

    def prefill_rate(self) -> float:
        """Tokens per second of prefill, at most."""
        return 1 / self.prefill_seconds(1)

    def decode_rate(self, streams: int) -> float:
        """Tokens per second of `streams` streams together, at most."""
        return streams / self.step_seconds(streams)

    def round_seconds(self, streams: int, prompt_tokens: float, tokens: float) -> float:
        """The least time of a closed loop: all prompts, then steps of all streams until `tokens` tokens are written."""
        return self.prefill_seconds(prompt_tokens) + tokens / streams * self.step_seconds(streams)


def read_limits(content: Mapping[str, Any]) -> Limits:
    """From the results of `measure_limits`."""
    return Limits(**content["limits"])
