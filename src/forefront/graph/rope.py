"""Rotary positions (Su et al. 2021): pairs of a head's channels rotate with a token's position.

The i-th of R/2 pairs rotates by position * base^(-2i/R) radians. Long-context models slow this down: all pairs by one
factor ("linear"), each by its own (Llama 3.1's `rope_freqs`, Phi's "longrope"), or slow pairs more than fast ones
("yarn", Peng et al. 2023).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forefront.engine.model.openvino_import import ops, ov
from forefront.graph.block_formats import Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.operations import Node, integers, number, reshape
from forefront.graph.packing.weights import Weights
from forefront.graph.settings import Settings

_KINDS: Final = ("none", "linear", "yarn", "longrope")


@dataclass(frozen=True, slots=True)
class Frequencies:
    """`radians`: the rotation of each pair per position [R/2]. `magnitude`: factor of the rotated channels."""

    radians: Floats
    magnitude: float = 1.0


def plain_frequencies(width: int, base: float) -> npt.NDArray[np.float64]:
    """Without any scaling, for `width` rotated channels."""
    return np.array([math.pow(base, -channel / width) for channel in range(0, width, 2)])


def read_frequencies(settings: Settings, weights: Weights, width: int) -> Frequencies:
    """The frequencies of the file's model, for `width` rotated channels. Raises `ModelFileError`."""
    base = settings.number("rope.freq_base", 10000.0, at_least=1.0)
    radians = plain_frequencies(width, base)
    kind = settings.text("rope.scaling.type", "linear")  # a factor without a type is linear
    factor = settings.number("rope.scaling.factor", settings.number("rope.scale_linear", 1.0) or 1.0) or 1.0
    if not 0 < factor < math.inf:
        raise ModelFileError(f"its rope.scaling.factor is {factor}")
    if kind not in _KINDS:
        raise ModelFileError(f"its positions are scaled by {kind[:40]!r}; {', '.join(_KINDS)} are supported")
    magnitude = settings.number("rope.scaling.attn_factor", 1.0, at_least=0.0)
    factors = _pair_factors(settings, weights, width)
    if factors is not None:
        radians = radians / factors
    if kind == "yarn" and factor != 1:
        radians = _yarn(settings, radians, width, base, factor)
        growth = 0.1 * math.log(factor)
        part = settings.number("rope.scaling.yarn_log_multiplier", 0.0, at_least=0.0)
        usual = (1 + growth) / max(1e-3, 1 + part * growth)
        magnitude *= settings.number("rope.scaling.yarn_attn_factor", 0.0, at_least=0.0) or usual
    elif kind == "linear":
        radians = radians / factor
    return Frequencies(radians.astype(np.float32), magnitude)


def _pair_factors(settings: Settings, weights: Weights, width: int) -> Floats | None:
    """The divisor of each pair's frequency. Of longrope's two sets, the one for the whole context of the model."""
    names = ["rope_freqs.weight"]
    original = settings.integer("rope.scaling.original_context_length", settings.context_length)
    if weights.has("rope_factors_long.weight"):
        names = ["rope_factors_long.weight" if settings.context_length > original else "rope_factors_short.weight"]
    factors = weights.optional_vector(names[0], width // 2)
    if factors is not None and not (factors > 0).all():
        raise ModelFileError(f"its {names[0]} is not {width // 2} positive factors")
    return factors


def _yarn(
    settings: Settings, radians: npt.NDArray[np.float64], width: int, base: float, factor: float
) -> npt.NDArray[np.float64]:
    """Fast pairs as they are, slow ones slowed by `factor`, and a ramp between."""
    context = settings.integer("rope.scaling.original_context_length", settings.context_length) or 1
    if base <= 1:
        raise ModelFileError(f"its rope.freq_base is {base}")

    def pair(turns: float) -> float:
        """The pair that turns so often within the original context."""
        return width * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(base))

    fast, slow = (
        settings.number(f"rope.scaling.yarn_beta_{end}", turns) for end, turns in (("fast", 32.0), ("slow", 1.0))
    )
    if min(fast, slow) <= 0:
        raise ModelFileError("its rope.scaling.yarn_beta_fast or yarn_beta_slow is not positive")
    low, high = max(0.0, math.floor(pair(fast))), min(width - 1.0, math.ceil(pair(slow)))
    ramp = np.clip((np.arange(width // 2) - low) / max(0.001, high - low), 0, 1)
    kept = np.asarray(1 - ramp, np.float64) * settings.number("rope.scaling.yarn_ext_factor", 1.0)
    return radians * kept + radians / factor * (1 - kept)


def channel_order(width: int, rotated: int, interleaved: bool) -> npt.NDArray[np.int64]:
    """The order of a head's `width` channels in which channel i and channel i + width/2 are a pair.

    The graph rotates whole heads, in halves. In the file the pairs are the first `rotated` channels, neighbours
    (`interleaved`) or in halves; channels that do not rotate are pairs of frequency 0.
    """
    pairs = np.arange(rotated).reshape(-1, 2).T if interleaved else np.arange(rotated).reshape(2, -1)
    still = np.arange(rotated, width).reshape(2, -1)
    return np.concatenate([pairs, still], axis=1).ravel()


class Rotation:
    """Turns heads by the positions of their tokens; cosines and sines are computed once for all layers."""

    def __init__(self, positions: Node, frequencies: Frequencies, width: int) -> None:
        half = width // 2
        radians = np.zeros((1, half), np.float32)
        radians[0, : len(frequencies.radians)] = frequencies.radians
        magnitude = np.ones((1, half), np.float32)
        magnitude[0, : len(frequencies.radians)] = frequencies.magnitude
        angles = ops.multiply(ops.unsqueeze(ops.convert(positions, ov.Type.f32), integers(1)), ops.constant(radians))
        both = reshape(ops.concat([angles, angles], 1), 0, 1, 1, width)
        self._cos, self._sin = ops.cos(both), ops.sin(both)
        if frequencies.magnitude != 1:
            factor = ops.constant(np.tile(magnitude, 2).reshape(1, 1, 1, width))
            self._cos, self._sin = ops.multiply(self._cos, factor), ops.multiply(self._sin, factor)
        self._half = half

    def rotate(self, x: Node) -> Node:
        """x [tokens, heads, 1, channels], its channels in `channel_order`."""
        # In this form, with the axis -1 in the concatenation, the plugin fuses it into one operation.
        first = ops.slice(x, integers(0), integers(self._half), integers(1), integers(3))
        second = ops.slice(x, integers(self._half), integers(np.iinfo(np.int64).max), integers(1), integers(3))
        rotated = ops.concat([ops.multiply(second, number(-1)), first], -1)
        return ops.add(ops.multiply(x, self._cos), ops.multiply(rotated, self._sin))
