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
# Float16 scales reach 65504.
_LARGEST: Final = 400_000
Array = npt.NDArray[Any]


def quantize(values: Floats, layout: Layout) -> Packed:
    """Finite values [rows, columns] in that layout, with float16 scales. Raises `ModelFileError`.

    "i8": from -127 to 127, where 127 is a group's largest. "i4": from -8 to 7, with the scale that of a few has the
    smallest error.
    """
    groups = values.reshape(len(values), -1, GROUP)
    if np.abs(groups).max() > _LARGEST:
        raise ModelFileError(f"it has values beyond {_LARGEST}, which are too large to be quantised")
    return _int8(groups) if layout.element == "i8" else _int4(groups)


def _int8(groups: Floats) -> Packed:
    scale = (np.abs(groups).max(axis=-1) / np.float32(127)).astype("<f2")
    return Packed(_nearest(groups, scale, -127, 127).astype(np.int8).reshape(len(groups), -1), scale)


def _int4(groups: Floats) -> Packed:
    places = np.abs(groups).argmax(axis=-1)[..., None]
    largest = np.take_along_axis(groups, places, -1)[..., 0]
    best = np.zeros(largest.shape, np.float16)
    least = np.full(largest.shape, np.inf, np.float32)
    for stretch in _STRETCHES:
        scale = (largest / np.float32(-8 / stretch)).astype("<f2")
        error = _nearest(groups, scale, -8, 7)
        error *= scale.astype(np.float32)[..., None]
        error -= groups
        squares = np.einsum("rgk,rgk->rg", error, error)
        best = np.where(squares < least, scale, best)
        least = np.minimum(squares, least)
    codes = _nearest(groups, best, -8, 7).astype(np.int8)
    halves = codes.reshape(len(groups), -1).view(np.uint8)
    return Packed(halves[:, 0::2] & np.uint8(15) | halves[:, 1::2] << np.uint8(4), best)


def _nearest(groups: Floats, scale: Array, low: int, high: int) -> Floats:
    """Values divided by the scales as they are stored, rounded and limited."""
    exact = scale.astype(np.float32)
    codes = groups * np.divide(1, exact, out=np.zeros_like(exact), where=exact != 0)[..., None]
    np.rint(codes, out=codes)
    return np.clip(codes, low, high, out=codes)


def round_codes(codes: Codes) -> Packed:
    """The same values rounded to eight bits in groups of 32: off by 1/254 of a group's largest value at most."""
    values = codes.floats().reshape(len(codes.codes), -1, GROUP)
    # Along the first axis of a transposed copy, a maximum takes a quarter of the time that it takes within groups.
    largest = np.abs(values.reshape(-1, GROUP).T, order="C").max(axis=0)
    scale = largest.reshape(values.shape[:2]) / np.float32(127)
    values *= np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)[..., None]
    np.rint(values, out=values)
    return Packed(values.astype(np.int8).reshape(len(values), -1), scale)
