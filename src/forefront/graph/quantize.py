"""Rounding values to eight or four bits in groups of 32 that share a scale."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forefront.graph.blocks import Codes, Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.packed import Layout, Packed

GROUP: Final = 32
# A group's largest value becomes -8 divided by one of these, which may fit the others better.
_STRETCHES: Final = (0.85, 0.93, 1.0, 1.1)
Array = npt.NDArray[Any]


def quantize(values: Floats, layout: Layout) -> Packed:
    """Finite values [rows, columns] in that layout, with float16 scales. Raises `ModelFileError`.

    "i8": from -127 to 127, where 127 is a group's largest. "i4": from -8 to 7, with the scale that of a few has the
    smallest error.
    """
    groups = values.reshape(len(values), -1, GROUP)
    packed = _int8(groups) if layout.element == "i8" else _int4(groups)
    if packed.scale is None or not np.isfinite(packed.scale).all():
        raise ModelFileError("it has values that are too large to be quantised")
    return packed


def _int8(groups: Floats) -> Packed:
    scale = _half(np.abs(groups).max(axis=-1) / np.float32(127))
    return Packed(_codes(groups, scale, -127, 127).reshape(len(groups), -1), scale)


def _int4(groups: Floats) -> Packed:
    places = np.abs(groups).argmax(axis=-1)[..., None]
    largest = np.take_along_axis(groups, places, -1)[..., 0]
    best_scale = np.zeros(largest.shape, np.float16)
    best_codes = np.zeros(groups.shape, np.int8)
    best_error = np.full(largest.shape, np.inf, np.float32)
    for stretch in _STRETCHES:
        scale = _half(largest / np.float32(-8 / stretch))
        codes = _codes(groups, scale, -8, 7)
        error = np.square(groups - codes * scale.astype(np.float32)[..., None]).sum(axis=-1)
        better = error < best_error
        best_error = np.where(better, error, best_error)
        best_scale = np.where(better, scale, best_scale)
        best_codes = np.where(better[..., None], codes, best_codes)
    halves = best_codes.reshape(len(groups), -1).view(np.uint8)
    return Packed(halves[:, 0::2] & np.uint8(15) | halves[:, 1::2] << np.uint8(4), best_scale)


def _codes(groups: Floats, scale: Array, low: int, high: int) -> Array:
    """Values divided by the scales as they are stored."""
    exact = scale.astype(np.float32)
    inverse = np.divide(1, exact, out=np.zeros_like(exact), where=exact != 0)
    return np.clip(np.rint(groups * inverse[..., None]), low, high).astype(np.int8)


def _half(scale: Floats) -> Array:
    with np.errstate(over="ignore"):  # refused by the caller
        return scale.astype("<f2")


def round_codes(codes: Codes) -> Packed:
    """The same values rounded to eight bits in groups of 32: off by 1/254 of a group's largest value at most."""
    values = codes.floats().reshape(len(codes.codes), -1, GROUP)
    scale = np.maximum(values.max(axis=-1), -values.min(axis=-1)) / np.float32(127)
    values *= np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)[..., None]
    np.rint(values, out=values)
    return Packed(values.astype(np.int8).reshape(len(values), -1), scale)
