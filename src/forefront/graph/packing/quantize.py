"""Rounding values to eight or four bits in groups of 32 that share a scale."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forefront.graph.block_formats import Codes, Floats
from forefront.graph.packing.layout import Layout, Packed

GROUP: Final = 32
# A group's largest value becomes -8 divided by one of these, which may fit the others better.
_STRETCHES: Final = (0.85, 0.93, 1.0, 1.1)
_SMALLEST: Final = 1e-37
Array = npt.NDArray[Any]


def quantize(values: Floats, layout: Layout) -> Packed:
    """Finite values [rows, columns] in that layout.

    "i8": from -127 to 127, where 127 is a group's largest. "i4": from -8 to 7, with the scale that of a few has the
    smallest error.
    """
    groups = values.reshape(len(values), -1, GROUP)
    highest, lowest = _reduced(np.maximum, groups), _reduced(np.minimum, groups)
    largest = np.where(highest >= -lowest, highest, lowest)
    return _int8(groups, np.abs(largest)) if layout.element == "i8" else _int4(groups, largest)


def _reduced(operation: np.ufunc, groups: Floats) -> Floats:
    """[rows, groups, 32] to [rows, groups]. Each pass combines all values with those half a group further on: five long
    loops are faster than a short one for each group."""
    values = groups.reshape(-1)
    for distance in (16, 8, 4, 2, 1):
        values = operation(values[:-distance], values[distance:])
    return np.ascontiguousarray(values[::GROUP]).reshape(groups.shape[:2])


def _int8(groups: Floats, largest: Floats) -> Packed:
    scale = largest / np.float32(127)
    return Packed(_nearest(groups, scale, -127, 127).astype(np.int8).reshape(len(groups), -1), scale)


def _int4(groups: Floats, largest: Floats) -> Packed:
    best = np.zeros_like(largest)
    least = np.full(largest.shape, np.inf, np.float32)
    for stretch in _STRETCHES:
        scale = largest / np.float32(-8 / stretch)
        error = _nearest(groups, scale, -8, 7)
        error *= scale[..., None]
        error -= groups
        squares = _reduced(np.add, np.square(error, out=error))
        best = np.where(squares < least, scale, best)
        least = np.minimum(squares, least)
    return Packed(pack_pairs(_nearest(groups, best, -8, 7).astype(np.int8).reshape(len(groups), -1)), best)


def _nearest(groups: Floats, scale: Array, low: int, high: int) -> Floats:
    """Values divided by the scales, rounded and limited."""
    codes = groups * _inverse(scale)[..., None]
    np.rint(codes, out=codes)
    return np.clip(codes, low, high, out=codes)


def _inverse(scale: Array) -> Array:
    """1 for scales whose inverse is not a number of float32."""
    inverse: Array = np.float32(1) / np.where(np.abs(scale) < _SMALLEST, np.float32(1), scale)
    return inverse


def pack_pairs(codes: Array) -> npt.NDArray[np.uint8]:
    """Codes of four bits, one to a byte [rows, columns], as two to a byte, the first in the low half. Higher bits are
    ignored."""
    words = codes.view("<u8") if codes.shape[-1] % 8 == 0 else codes.view("<u2")
    kind = words.dtype.type
    low, high = (kind(mask & np.iinfo(kind).max) for mask in (0x000F_000F_000F_000F, 0x00F0_00F0_00F0_00F0))
    pairs = words >> kind(4)
    pairs &= high
    pairs |= words & low
    packed: npt.NDArray[np.uint8] = pairs.view("<u2").astype(np.uint8)
    return packed


def round_groups(codes: Codes, bits: int) -> Packed:
    """Groups of 16 that scales are declared for, as eight bits in groups of 32. `codes.codes`: [rows, columns]. A value
    moves by 1/254 of the largest that the scales of its group can express, at most."""
    rows = len(codes.codes)
    scale = codes.scale.astype(np.float32, copy=False).reshape(rows, -1, 2)
    values = codes.codes.astype(np.float32).reshape(rows, -1, 2, GROUP // 2)
    first, second = (np.ascontiguousarray(scale[..., half]) for half in (0, 1))
    if codes.minimum is None:
        # The lowest code becomes -128, so that codes with the larger scale stay exact. With scales of two signs, one of
        # them would become 128.
        larger = np.where(np.abs(first) >= np.abs(second), first, second)
        rounded = larger * np.float32(1 << (bits - 1)) / (np.float32(128) - ((first < 0) != (second < 0)))
        values *= (scale * _inverse(rounded)[..., None])[..., None]
    else:
        lowest = codes.minimum.astype(np.float32, copy=False).reshape(scale.shape)
        largest = np.maximum(np.abs(lowest), np.abs(lowest + np.float32((1 << bits) - 1) * scale))
        rounded = np.maximum(largest[..., 0], largest[..., 1]) / np.float32(127)
        inverse = _inverse(rounded)[..., None]
        values *= (scale * inverse)[..., None]
        values += (lowest * inverse)[..., None]
    np.rint(values, out=values)
    return Packed(values.astype(np.int8).reshape(rows, -1), rounded)
