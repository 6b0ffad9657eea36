"""Rounding values to eight or four bits in groups of 32 that share a scale."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forefront.graph.block_bits import pack_pairs
from forefront.graph.block_formats import Codes, Floats
from forefront.graph.packing.layout import Layout, Packed

GROUP: Final = 32
# Candidate scales: a group's largest value becomes -8 divided by one of these factors.
_STRETCHES: Final = (0.85, 0.93, 1.0, 1.1)
_SMALLEST: Final = 1e-37
# Codes rounded per step: a multiple of a group.
_PIECE: Final = 1 << 17
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
    """The inverse; 1 for scales whose inverse exceeds float32."""
    inverse: Array = np.float32(1) / np.where(np.abs(scale) < _SMALLEST, np.float32(1), scale)
    return inverse


def round_groups(codes: Codes, bits: int) -> Packed:
    """Groups of 16 that scales are declared for, as eight bits in groups of 32. `codes.codes`: [rows, columns]. A value
    moves by 1/254 of the largest that the scales of its group can express, at most."""
    rows = len(codes.codes)
    first, second = _halves(codes.scale)
    if codes.minimum is None:
        # The lowest code becomes -128, so that codes with the larger scale stay exact. With scales of two signs, one of
        # them would become 128.
        larger = np.where(np.abs(first) >= np.abs(second), first, second)
        rounded = larger * np.float32(1 << (bits - 1)) / (np.float32(128) - ((first < 0) != (second < 0)))
    else:
        lowest, others = _halves(codes.minimum)
        span = np.float32((1 << bits) - 1)
        ends = [lowest, lowest + span * first, others, others + span * second]
        rounded = np.maximum.reduce([np.abs(end) for end in ends]) / np.float32(127)
    inverse = _inverse(rounded)
    factors, offsets = _joined(first * inverse, second * inverse), None
    if codes.minimum is not None:
        offsets = _joined(lowest * inverse, others * inverse)
    return Packed(_nearest_codes(codes.codes.reshape(-1), factors, offsets).reshape(rows, -1), rounded)


def _nearest_codes(codes: Array, factors: Floats, offsets: Floats | None) -> Array:
    """`factor * code + offset` in int8, with a factor and an offset for each half group. In pieces, because the float32
    values of all codes do not fit into the processor's cache."""
    nearest = np.empty(len(codes), np.int8)
    half = GROUP // 2
    for start in range(0, len(codes), _PIECE):
        groups = slice(start // half, (start + _PIECE) // half)
        # A factor for each value: one long product is faster than a short one for each group.
        values = np.repeat(factors[groups], half)
        values *= codes[start : start + _PIECE].astype(np.float32)
        if offsets is not None:
            values += np.repeat(offsets[groups], half)
        nearest[start : start + _PIECE] = np.rint(values, out=values)
    return nearest


def _halves(scale: Floats) -> tuple[Floats, Floats]:
    """Of each group of 32, the scales of the first and of the second 16 values."""
    return np.ascontiguousarray(scale[:, 0::2]), np.ascontiguousarray(scale[:, 1::2])


def _joined(first: Floats, second: Floats) -> Floats:
    """The inverse of `_halves`, without rows."""
    both = np.empty((first.size, 2), np.float32)
    both[:, 0], both[:, 1] = first.reshape(-1), second.reshape(-1)
    return both.reshape(-1)
