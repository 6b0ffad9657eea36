"""Bit operations on the blocks of quantised tensors, for all blocks at once.

NumPy is fast in long loops and slow in short ones. Parts of blocks are therefore copied to contiguous memory first, as
items of their size; then bits are moved in words of eight bytes.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

# Sizes whose items NumPy copies without a call for each.
_ITEMS: Final = {1: "u1", 2: "<u2", 4: "<u4", 8: "<u8", 16: "c16"}
# Halves as float32 have an exponent that is too small by 112.
_HALF_EXPONENT: Final = np.float32(2.0**112)
# The minimum count from which `float_halves` is faster than NumPy's conversion.
_MANY_HALVES: Final = 8192


def part(raw: Bytes, start: int, size: int) -> Bytes:
    """The same bytes of each block, [blocks, bytes of a block] to contiguous [blocks, size]."""
    count, stride = raw.shape
    view = np.ndarray((count,), _item(size), np.ascontiguousarray(raw), start, (stride,))
    return view.copy().view(np.uint8).reshape(count, size)


def interleaved(parts: Sequence[Bytes], size: int) -> Bytes:
    """The parts [blocks, n] interleaved in runs of `size` bytes, as [blocks, n * parts]."""
    blocks = len(parts[0])
    joined = np.empty((blocks, sum(each.shape[1] for each in parts)), np.uint8)
    items = joined.reshape(-1).view(_item(size)).reshape(-1, len(parts))
    for place, each in enumerate(parts):
        items[:, place] = each.reshape(-1).view(_item(size))
    return joined


def bits(packed: Bytes, shift: int, mask: int, left: int = 0) -> Bytes:
    """The bits of each byte at `shift`, as many as `mask` has, moved to `left`. [blocks, n], where all bytes together
    are whole words."""
    words = _words(packed)
    moved = words >> np.uint64(shift - left) if shift >= left else words << np.uint64(left - shift)
    moved &= _every_byte(mask << left)
    return moved.view(np.uint8).reshape(packed.shape)


def nibbles(packed: Bytes, run: int) -> Bytes:
    """Codes of four bits: each `run` bytes have as many codes in their low halves, and then as many in the high
    ones."""
    return interleaved([bits(packed, 0, 15), bits(packed, 4, 15)], run)


def nibble_pairs(packed: Bytes, run: int) -> Bytes:
    """The same codes, two neighbours to a byte, the first in the low half: [blocks, n] to [blocks, n]."""
    words = _words(packed)
    halves = []
    for shift in (0, 4):
        # Neighbours are in the low and high byte of each pair of bytes.
        pairs = words >> np.uint64(shift + 4)
        pairs &= _every_pair(0x00F0)
        first = words >> np.uint64(shift) if shift else words.copy()
        first &= _every_pair(0x000F)
        first |= pairs
        halves.append(first.view("<u2").astype(np.uint8).reshape(len(packed), -1))
    return interleaved(halves, run // 2)


def pack_pairs(codes: npt.NDArray[Any]) -> Bytes:
    """Codes of four bits, one to a byte [rows, columns], as two to a byte, the first in the low half. Higher bits are
    ignored."""
    flat = codes.reshape(-1)
    words = flat.view("<u8" if codes.shape[-1] % 8 == 0 else "<u2")
    kind = words.dtype.type
    low, high = (kind(mask & np.iinfo(kind).max) for mask in (0x000F_000F_000F_000F, 0x00F0_00F0_00F0_00F0))
    pairs = words >> kind(4)
    pairs &= high
    pairs |= words & low
    packed: Bytes = pairs.view("<u2").astype(np.uint8).reshape(len(codes), -1)
    return packed


def fifth_bits(packed: Bytes) -> Bytes:
    """The fifth bits of 32 codes, from four bytes each: [blocks, 4] to [blocks, 32]."""
    fifth = np.unpackbits(packed.reshape(-1), bitorder="little")
    words = fifth.view("<u8")
    words <<= np.uint64(4)
    return fifth.reshape(-1, 32)


def join_bits(low: Bytes, high: Bytes) -> Bytes:
    """The bits of both, in the memory of `low`."""
    words = low.reshape(-1).view("<u8")
    words |= high.reshape(-1).view("<u8")
    return low


def signed(codes: Bytes, middle: int) -> npt.NDArray[np.int8]:
    """Codes less the middle of their range, in the same memory."""
    values = codes.view(np.int8)
    values -= np.int8(middle)
    return values


def float_halves(halves: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """float16 numbers as float32. NumPy's conversion calls a function for each, which is slower for many."""
    if halves.size < _MANY_HALVES:
        return np.asarray(halves.astype(np.float32))
    stored = np.ascontiguousarray(halves).view("<u2")
    if ((stored & np.uint16(0x7C00)) == np.uint16(0x7C00)).any():
        return np.asarray(halves.astype(np.float32))  # some are infinite or NaN
    words = stored.astype("<u4")
    signs = words & np.uint32(0x8000)
    signs <<= np.uint32(16)
    words &= np.uint32(0x7FFF)
    words <<= np.uint32(13)
    values = words.view(np.float32)
    values *= _HALF_EXPONENT
    words |= signs
    return values


def _item(size: int) -> str:
    return _ITEMS.get(size, f"V{size}")


def _words(packed: Bytes) -> Words:
    return packed.reshape(-1).view("<u8")


def _every_byte(mask: int) -> np.uint64:
    return np.uint64(mask * 0x0101_0101_0101_0101)


def _every_pair(mask: int) -> np.uint64:
    return np.uint64(mask * 0x0001_0001_0001_0001)
