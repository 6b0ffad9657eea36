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

from forefront.graph.errors import ModelFileError

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Codes:
    """Decoded rows. `codes`: int8 or uint8 [rows, groups, values of a group]. `scale`, `minimum`: [rows, groups], in
    float32, or float16 as stored."""

    codes: npt.NDArray[Any]
    scale: npt.NDArray[Any]
    minimum: npt.NDArray[Any] | None = None

    def floats(self) -> Floats:
        """The values [rows, columns]."""
        values = self.codes.astype(np.float32)
        values *= self.scale[..., None]
        if self.minimum is not None:
            values += self.minimum[..., None]
        return values.reshape(len(values), -1)


@dataclass(frozen=True, slots=True)
class Quantized:
    """The decoder of a format's blocks, bytes [..., bytes of a block].

    `bits`: of one code. `group`: codes that share a scale. `codes`: int8 or uint8 [..., values of a block]. `scales`:
    scale and minimum [..., groups of a block], in float16 where they are stored in it.
    """

    bits: int
    codes: Callable[[Bytes], npt.NDArray[Any]]
    scales: Callable[[Bytes], tuple[npt.NDArray[Any], npt.NDArray[Any] | None]]
    group: int = 32


@dataclass(frozen=True, slots=True)
class BlockFormat:
    """Formats of plain numbers have a `number` type. A format that is neither such nor `quantized` is known by its size
    alone."""

    name: str
    values: int
    bytes: int
    quantized: Quantized | None = None
    number: str | None = None

    def codes(self, data: Bytes) -> Codes:
        """Decode rows of a quantised format, bytes [rows, bytes of a row]. Raises `ModelFileError`."""
        quantized, raw = self.checked(), self.blocks(data)
        scale, minimum = self.scales(data)
        return Codes(quantized.codes(raw).reshape(len(data), -1, quantized.group), scale, minimum)

    def scales(self, data: Bytes) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Scales and minima [rows, groups] of rows of a quantised format. Raises `ModelFileError`."""
        scale, minimum = self.checked().scales(self.blocks(data))
        return scale.reshape(len(data), -1), None if minimum is None else minimum.reshape(len(data), -1)

    def blocks(self, data: Bytes) -> Bytes:
        """Rows [rows, bytes of a row] as [rows, blocks, bytes of a block]."""
        return data.reshape(len(data), -1, self.bytes)

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
            return (np.ascontiguousarray(data).view("<u2").astype(np.uint32) << 16).view(np.float32)
        return np.ascontiguousarray(data).view(self.number).astype(np.float32)


def _half(raw: Bytes) -> npt.NDArray[np.float16]:
    """float16 numbers of two bytes each along the last axis."""
    return raw.view("<f2")


def _shifted(packed: Bytes, shifts: range, mask: int, left: int = 0) -> Bytes:
    """[..., n] to [..., shifts, n]: the bits of every byte at each of the shifts, moved to the left by `left`. n is a
    multiple of 8: the bytes are computed with as words of eight."""
    words = np.ascontiguousarray(packed).view("<u8")
    every = np.uint64((mask << left) * 0x0101_0101_0101_0101)  # the same bits of each byte
    parts = []
    for shift in shifts:
        part = words >> np.uint64(shift - left) if shift > left else words << np.uint64(left - shift)
        part &= every
        parts.append(part)
    return np.stack(parts, axis=-2).view(np.uint8)


def _nibbles(packed: Bytes) -> Bytes:
    """The low halves of all bytes along the last axis, then the high halves."""
    return _flat(_shifted(packed, range(0, 8, 4), 15), 2)


def _fifth_bits(packed: Bytes) -> Bytes:
    """The fifth bits of 32 codes, from four bytes."""
    bits = np.unpackbits(np.ascontiguousarray(packed).reshape(-1), bitorder="little").view("<u8")
    bits <<= np.uint64(4)
    return bits.view(np.uint8).reshape(*packed.shape[:-1], 32)


def _one_scale(place: int) -> Callable[[Bytes], tuple[npt.NDArray[np.float16], None]]:
    """A float16 scale at that place of a block."""
    return lambda raw: (_half(raw[..., place : place + 2]), None)


def _scale_and_minimum(raw: Bytes) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float16]]:
    return _half(raw[..., :2]), _half(raw[..., 2:4])


def _signed(codes: npt.NDArray[Any], middle: int) -> npt.NDArray[np.int8]:
    signed = codes.view(np.int8)
    signed -= np.int8(middle)
    return signed


def _flat(codes: Bytes, dimensions: int) -> Bytes:
    """The last so many dimensions as one."""
    return codes.reshape(*codes.shape[:-dimensions], -1)


def _q5(codes: int, high: int) -> Callable[[Bytes], Bytes]:
    """Codes of five bits: nibbles at the one place, fifth bits at the other."""
    return lambda raw: _joined(_nibbles(raw[..., codes:]), _fifth_bits(raw[..., high : high + 4]))


def _joined(low: Bytes, high: npt.NDArray[Any]) -> Bytes:
    """The bits of both, in the memory of `low`."""
    low |= high
    return low


_q5_0_codes, _q5_1_codes = _q5(6, 2), _q5(8, 4)


def _k_scales(raw: Bytes) -> tuple[Floats, Floats]:
    """Scales and minima of the eight groups of a Q4_K or Q5_K block, six bits each."""
    low, high, both = (raw[..., place : place + 4].view("<u4") for place in (4, 8, 12))
    scale = np.concatenate([low & 0x3F3F3F3F, (both & 0x0F0F0F0F) | (low >> 2 & 0x30303030)], axis=-1)
    minimum = np.concatenate([high & 0x3F3F3F3F, (both >> 4 & 0x0F0F0F0F) | (high >> 2 & 0x30303030)], axis=-1)
    factor, negative = _half(raw[..., :2]).astype(np.float32), -_half(raw[..., 2:4]).astype(np.float32)
    return factor * scale.view(np.uint8), negative * minimum.view(np.uint8)


def _k_nibbles(raw: Bytes, start: int) -> Bytes:
    """256 codes of four bits: 32 low halves and then the 32 high halves of each 32 bytes."""
    return _flat(_shifted(raw[..., start : start + 128].reshape(*raw.shape[:-1], 4, 32), range(0, 8, 4), 15), 3)


def _q5_k_codes(raw: Bytes) -> Bytes:
    return _joined(_k_nibbles(raw, 48), _flat(_shifted(raw[..., 16:48], range(8), 1, 4), 2))


def _q6_k_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    low = _flat(_shifted(raw[..., :128].reshape(*raw.shape[:-1], 2, 64), range(0, 8, 4), 15), 3)
    high = _flat(_shifted(raw[..., 128:192].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3, 4), 3)
    return _signed(_joined(low, high), 32)


def _q6_k_scales(raw: Bytes) -> tuple[Floats, None]:
    scales: Floats = _half(raw[..., 208:210]).astype(np.float32) * raw[..., 192:208].view(np.int8)
    return scales, None


def _q2_k_codes(raw: Bytes) -> Bytes:
    return _flat(_shifted(raw[..., 16:80].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3), 3)


def _q2_k_scales(raw: Bytes) -> tuple[Floats, Floats]:
    scales, minima = raw[..., :16] & 15, raw[..., :16] >> 4
    factor, negative = _half(raw[..., 80:82]).astype(np.float32), -_half(raw[..., 82:84]).astype(np.float32)
    return factor * scales, negative * minima


def _q3_k_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    low = _flat(_shifted(raw[..., 32:96].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3), 3)
    high = _flat(_shifted(raw[..., :32], range(8), 1, 2), 2)
    return _signed(_joined(low, high), 4)


def _q3_k_scales(raw: Bytes) -> tuple[Floats, None]:
    """Of the 16 scales of six bits, four bytes have two bits for each."""
    low, high = _nibbles(raw[..., 96:104]), raw[..., 104:108].view("<u4")
    top = np.concatenate([high << 4, high << 2, high, high >> 2], axis=-1) & 0x30303030
    scales: Floats = _half(raw[..., 108:110]).astype(np.float32) * _signed(_joined(low, top.view(np.uint8)), 32)
    return scales, None


def _looked_up(values: list[int]) -> Callable[[Bytes], npt.NDArray[np.int8]]:
    """Codes from 0 to 15 as the values that they represent. Two neighbours are looked up at a time."""
    table = np.zeros((16, 256, 2), np.int8)
    table[..., 1] = np.array(values)[:, None]
    table[:, :16, 0] = values
    pairs = table.reshape(-1, 2).view("<u2").ravel()
    return lambda codes: pairs.take(codes.view("<u2")).view(np.int8)


_iq4_values: Final = _looked_up([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])


def _iq4_xs_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    return _iq4_values(_flat(_nibbles(raw[..., 8:].reshape(*raw.shape[:-1], 8, 16)), 2))


def _iq4_xs_scales(raw: Bytes) -> tuple[Floats, None]:
    """Of the eight scales of six bits, four bytes have four bits for each, and two have the others."""
    nibbles, pairs = raw[..., 4:8, None], raw[..., 2:4, None]
    low = (nibbles >> np.array([0, 4], np.uint8) & 15).reshape(*raw.shape[:-1], 8).view(np.uint8)
    high = (pairs >> np.array([0, 2, 4, 6], np.uint8) & 3).reshape(*raw.shape[:-1], 8)
    scales: Floats = _half(raw[..., :2]).astype(np.float32) * _signed(_joined(low, high << 4), 32)
    return scales, None


# Twice the values of E2M1; the scale is halved in turn.
_doubled_e2m1: Final = _looked_up([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])


def _mxfp4_scales(raw: Bytes) -> tuple[Floats, None]:
    return np.ldexp(np.float32(1), raw[..., :1].astype(np.int32) - 128).astype(np.float32), None


_Q4_0: Final = Quantized(4, lambda raw: _signed(_nibbles(raw[..., 2:]), 8), _one_scale(0))
_Q4_1: Final = Quantized(4, lambda raw: _nibbles(raw[..., 4:]), _scale_and_minimum)
_Q5_0: Final = Quantized(5, lambda raw: _signed(_q5_0_codes(raw), 16), _one_scale(0))
_Q5_1: Final = Quantized(5, _q5_1_codes, _scale_and_minimum)
_Q8_0: Final = Quantized(8, lambda raw: raw[..., 2:].view(np.int8), _one_scale(0))
_Q2_K: Final = Quantized(2, _q2_k_codes, _q2_k_scales, group=16)
_Q3_K: Final = Quantized(3, _q3_k_codes, _q3_k_scales, group=16)
_Q4_K: Final = Quantized(4, lambda raw: _k_nibbles(raw, 16), _k_scales)
_Q5_K: Final = Quantized(5, _q5_k_codes, _k_scales)
_Q6_K: Final = Quantized(6, _q6_k_codes, _q6_k_scales, group=16)
_IQ4_NL: Final = Quantized(8, lambda raw: _iq4_values(_nibbles(raw[..., 2:])), _one_scale(0))
_IQ4_XS: Final = Quantized(8, _iq4_xs_codes, _iq4_xs_scales)
_MXFP4: Final = Quantized(8, lambda raw: _doubled_e2m1(_nibbles(raw[..., 1:])), _mxfp4_scales)

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
