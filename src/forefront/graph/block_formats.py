"""The formats in which GGUF stores tensors: blocks of codes with scales, decoded by NumPy.

A format divides a row into blocks of `values` values, each stored in `bytes` bytes. In a quantised format a value is
`scale * code + minimum`, where scale and minimum belong to a group of 16 or 32 codes; symmetric formats have no
minimum.
Layouts: ggml's `ggml-common.h` and `ggml-quants.c`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forefront.graph.block_bits import (
    Bytes,
    bits,
    fifth_bits,
    float_halves,
    interleaved,
    join_bits,
    nibble_pairs,
    nibbles,
    part,
    signed,
)
from forefront.graph.errors import ModelFileError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Codes:
    """Decoded rows. `codes`: int8 or uint8 [rows, groups, values of a group]. `scale`, `minimum`: [rows, groups]."""

    codes: npt.NDArray[Any]
    scale: Floats
    minimum: Floats | None = None

    def floats(self) -> Floats:
        """The values [rows, columns]."""
        values = self.codes.astype(np.float32)
        values *= self.scale[..., None]
        if self.minimum is not None:
            values += self.minimum[..., None]
        return values.reshape(len(values), -1)


@dataclass(frozen=True, slots=True)
class Quantized:
    """The decoder of a format's blocks, bytes [blocks, bytes of a block].

    `bits`: of one code. `group`: codes that share a scale. `codes`: int8 or uint8 [blocks, values of a block].
    `scales`: scale and minimum [blocks, groups of a block]. `pairs`: four-bit codes from 0 to 15, two to a byte, if
    that takes fewer steps than from `codes`.
    """

    bits: int
    codes: Callable[[Bytes], npt.NDArray[Any]]
    scales: Callable[[Bytes], tuple[Floats, Floats | None]]
    group: int = 32
    pairs: Callable[[Bytes], Bytes] | None = None


@dataclass(frozen=True, slots=True)
class BlockFormat:
    """Formats of plain numbers have a `number` type. A format that is neither such nor `quantized` is known by its size
    alone. `rounded_bits`: to which matrices of plain numbers are rounded by default; 0 for none."""

    name: str
    values: int
    bytes: int
    quantized: Quantized | None = None
    number: str | None = None
    rounded_bits: int = 0

    def codes(self, data: Bytes) -> Codes:
        """Decode rows of a quantised format, bytes [rows, bytes of a row]. Raises `ModelFileError`."""
        quantized, raw = self.checked(), self.blocks(data)
        scale, minimum = self.scales(data)
        return Codes(quantized.codes(raw).reshape(len(data), -1, quantized.group), scale, minimum)

    def scales(self, data: Bytes) -> tuple[Floats, Floats | None]:
        """Scales and minima [rows, groups] of rows of a quantised format. Raises `ModelFileError`."""
        scale, minimum = self.checked().scales(self.blocks(data))
        return scale.reshape(len(data), -1), None if minimum is None else minimum.reshape(len(data), -1)

    def blocks(self, data: Bytes) -> Bytes:
        """Rows [rows, bytes of a row] as [blocks, bytes of a block]."""
        return data.reshape(-1, self.bytes)

    def checked(self) -> Quantized:
        """The decoder of its blocks. Raises `ModelFileError` for an unsupported format."""
        if self.quantized is None:
            raise ModelFileError(f"it has tensors in the format {self.name}, which is not supported")
        return self.quantized

    def floats(self, data: Bytes) -> Floats:
        """Dequantise rows, bytes [rows, bytes of a row], to [rows, columns]. Raises `ModelFileError`."""
        if self.number is None:
            return self.codes(data).floats()
        if self.number == "bf16":
            words = np.ascontiguousarray(data).view("<u2").astype(np.uint32)
            words <<= np.uint32(16)
            return words.view(np.float32)
        if self.number == "<f2":
            return float_halves(np.ascontiguousarray(data).view("<f2"))
        return np.ascontiguousarray(data).view(self.number).astype(np.float32)


def _halves(raw: Bytes, place: int) -> Floats:
    """The float16 number at that place of each block, [blocks, 1]."""
    return float_halves(part(raw, place, 2).view("<f2"))


def _one_scale(place: int) -> Callable[[Bytes], tuple[Floats, None]]:
    """A float16 scale at that place of a block."""
    return lambda raw: (_halves(raw, place), None)


def _scale_and_minimum(raw: Bytes) -> tuple[Floats, Floats]:
    return _halves(raw, 0), _halves(raw, 2)


def _q5_codes(codes: int, high: int) -> Callable[[Bytes], Bytes]:
    """Codes of five bits: nibbles at the one place, fifth bits at the other."""
    return lambda raw: join_bits(nibbles(part(raw, codes, 16), 16), fifth_bits(part(raw, high, 4)))


_q5_0_codes, _q5_1_codes = _q5_codes(6, 2), _q5_codes(8, 4)


def _k_scales(raw: Bytes) -> tuple[Floats, Floats]:
    """Scales and minima of the eight groups of a Q4_K or Q5_K block, six bits each."""
    low, high, both = (part(raw, place, 4).view("<u4") for place in (4, 8, 12))
    scale = np.concatenate([low & 0x3F3F3F3F, (both & 0x0F0F0F0F) | (low >> 2 & 0x30303030)], axis=-1)
    minimum = np.concatenate([high & 0x3F3F3F3F, (both >> 4 & 0x0F0F0F0F) | (high >> 2 & 0x30303030)], axis=-1)
    return _halves(raw, 0) * scale.view(np.uint8), -_halves(raw, 2) * minimum.view(np.uint8)


def _q5_k_codes(raw: Bytes) -> Bytes:
    high = part(raw, 16, 32)
    return join_bits(nibbles(part(raw, 48, 128), 32), interleaved([bits(high, n, 1, 4) for n in range(8)], 32))


def _q6_k_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    high = part(raw, 128, 64)
    top = interleaved([bits(high, shift, 3, 4) for shift in range(0, 8, 2)], 32)
    return signed(join_bits(nibbles(part(raw, 0, 128), 64), top), 32)


def _q6_k_scales(raw: Bytes) -> tuple[Floats, None]:
    return _halves(raw, 208) * part(raw, 192, 16).view(np.int8), None


def _q2_k_codes(raw: Bytes) -> Bytes:
    return _two_bits(part(raw, 16, 64))


def _two_bits(packed: Bytes) -> Bytes:
    """Codes of two bits: each 32 bytes have as many codes at each place."""
    return interleaved([bits(packed, shift, 3) for shift in range(0, 8, 2)], 32)


def _q2_k_scales(raw: Bytes) -> tuple[Floats, Floats]:
    both = part(raw, 0, 16)
    return _halves(raw, 80) * bits(both, 0, 15), -_halves(raw, 82) * bits(both, 4, 15)


def _q3_k_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    high = part(raw, 0, 32)
    return signed(join_bits(_two_bits(part(raw, 32, 64)), interleaved([bits(high, n, 1, 2) for n in range(8)], 32)), 4)


def _q3_k_scales(raw: Bytes) -> tuple[Floats, None]:
    """Of the 16 scales of six bits, four bytes have two bits for each."""
    low, high = nibbles(part(raw, 96, 8), 8), part(raw, 104, 4).view("<u4")
    top = np.concatenate([high << 4, high << 2, high, high >> 2], axis=-1) & 0x30303030
    return _halves(raw, 108) * signed(join_bits(low, top.view(np.uint8)), 32), None


def _looked_up(values: list[int]) -> Callable[[Bytes], npt.NDArray[np.int8]]:
    """Pairs of codes from 0 to 15 [blocks, n] as the values that they represent [blocks, 2 * n]. Four codes are looked
    up at a time."""
    four = np.arange(1 << 16)[:, None] >> np.arange(0, 16, 4) & 15
    table = np.array(values, np.int8)[four].view("<u4").ravel()
    return lambda pairs: table.take(pairs.reshape(-1).view("<u2")).view(np.int8).reshape(len(pairs), -1)


_iq4_values: Final = _looked_up([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])


def _iq4_xs_scales(raw: Bytes) -> tuple[Floats, None]:
    """Of the eight scales of six bits, four bytes have four bits for each, and two have the others."""
    nibble, pair = part(raw, 4, 4)[..., None], part(raw, 2, 2)[..., None]
    low = (nibble >> np.array([0, 4], np.uint8) & 15).reshape(-1, 8).view(np.uint8)
    high = (pair >> np.array([0, 2, 4, 6], np.uint8) & 3).reshape(-1, 8)
    return _halves(raw, 0) * signed(join_bits(low, (high << 4).view(np.uint8)), 32), None


# Twice the values of E2M1; the scale is halved in turn.
_doubled_e2m1: Final = _looked_up([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])


def _mxfp4_scales(raw: Bytes) -> tuple[Floats, None]:
    return np.ldexp(np.float32(1), part(raw, 0, 1).astype(np.int32) - 128).astype(np.float32), None


def _nibbles_at(place: int, size: int, run: int) -> Callable[[Bytes], Bytes]:
    return lambda raw: nibbles(part(raw, place, size), run)


def _pairs_at(place: int, size: int, run: int) -> Callable[[Bytes], Bytes]:
    return lambda raw: nibble_pairs(part(raw, place, size), run)


_Q4_0: Final = Quantized(
    4, lambda raw: signed(nibbles(part(raw, 2, 16), 16), 8), _one_scale(0), pairs=_pairs_at(2, 16, 16)
)
_Q4_1: Final = Quantized(4, _nibbles_at(4, 16, 16), _scale_and_minimum, pairs=_pairs_at(4, 16, 16))
_Q5_0: Final = Quantized(5, lambda raw: signed(_q5_0_codes(raw), 16), _one_scale(0))
_Q5_1: Final = Quantized(5, _q5_1_codes, _scale_and_minimum)
_Q8_0: Final = Quantized(8, lambda raw: part(raw, 2, 32).view(np.int8), _one_scale(0))
_Q2_K: Final = Quantized(2, _q2_k_codes, _q2_k_scales, group=16)
_Q3_K: Final = Quantized(3, _q3_k_codes, _q3_k_scales, group=16)
_Q4_K: Final = Quantized(4, _nibbles_at(16, 128, 32), _k_scales, pairs=_pairs_at(16, 128, 32))
_Q5_K: Final = Quantized(5, _q5_k_codes, _k_scales)
_Q6_K: Final = Quantized(6, _q6_k_codes, _q6_k_scales, group=16)
_IQ4_NL: Final = Quantized(8, lambda raw: _iq4_values(nibble_pairs(part(raw, 2, 16), 16)), _one_scale(0))
_IQ4_XS: Final = Quantized(8, lambda raw: _iq4_values(nibble_pairs(part(raw, 8, 128), 16)), _iq4_xs_scales)
_MXFP4: Final = Quantized(8, lambda raw: _doubled_e2m1(nibble_pairs(part(raw, 1, 16), 16)), _mxfp4_scales)

# By the format's number in a file.
FORMATS: Final[dict[int, BlockFormat]] = {
    0: BlockFormat("F32", 1, 4, number="<f4"),
    1: BlockFormat("F16", 1, 2, number="<f2"),
    2: BlockFormat("Q4_0", 32, 18, _Q4_0),
    3: BlockFormat("Q4_1", 32, 20, _Q4_1),
    6: BlockFormat("Q5_0", 32, 22, _Q5_0),
    7: BlockFormat("Q5_1", 32, 24, _Q5_1),
    8: BlockFormat("Q8_0", 32, 34, _Q8_0),
    10: BlockFormat("Q2_K", 256, 84, _Q2_K),
    11: BlockFormat("Q3_K", 256, 110, _Q3_K),
    12: BlockFormat("Q4_K", 256, 144, _Q4_K),
    13: BlockFormat("Q5_K", 256, 176, _Q5_K),
    14: BlockFormat("Q6_K", 256, 210, _Q6_K),
    16: BlockFormat("IQ2_XXS", 256, 66),
    17: BlockFormat("IQ2_XS", 256, 74),
    18: BlockFormat("IQ3_XXS", 256, 98),
    19: BlockFormat("IQ1_S", 256, 50),
    20: BlockFormat("IQ4_NL", 32, 18, _IQ4_NL),
    21: BlockFormat("IQ3_S", 256, 110),
    22: BlockFormat("IQ2_S", 256, 82),
    23: BlockFormat("IQ4_XS", 256, 136, _IQ4_XS),
    24: BlockFormat("I8", 1, 1),
    25: BlockFormat("I16", 1, 2),
    26: BlockFormat("I32", 1, 4),
    27: BlockFormat("I64", 1, 8),
    28: BlockFormat("F64", 1, 8, number="<f8"),
    29: BlockFormat("IQ1_M", 256, 56),
    30: BlockFormat("BF16", 1, 2, number="bf16"),
    34: BlockFormat("TQ1_0", 256, 54),
    35: BlockFormat("TQ2_0", 256, 66),
    39: BlockFormat("MXFP4", 32, 17, _MXFP4),
    40: BlockFormat("NVFP4", 64, 36),
    41: BlockFormat("Q1_0", 128, 18),
}
