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
    """Decoded rows. `codes`: int8 or uint8 [rows, groups, values of a group]. `scale`, `minimum`: [rows, groups]."""

    codes: npt.NDArray[Any]
    scale: Floats
    minimum: Floats | None = None

    def floats(self) -> Floats:
        """The values [rows, columns]."""
        values = self.scale[..., None] * self.codes.astype(np.float32)
        if self.minimum is not None:
            values += self.minimum[..., None]
        return values.reshape(len(values), -1)


@dataclass(frozen=True, slots=True)
class Quantized:
    """How to decode the blocks of a format, bytes [..., bytes of a block].

    `bits`: of one code. `group`: codes that share a scale. `codes`: int8 or uint8 [..., values of a block]. `scales`:
    scale and minimum [..., groups of a block]. `nibbles`, for some formats of four bits: the bytes [..., n, w] that
    hold codes, their low halves before their high halves.
    """

    bits: int
    codes: Callable[[Bytes], npt.NDArray[Any]]
    scales: Callable[[Bytes], tuple[Floats, Floats | None]]
    group: int = 32
    nibbles: Callable[[Bytes], Bytes] | None = None


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

    def scales(self, data: Bytes) -> tuple[Floats, Floats | None]:
        """Scales and minima [rows, groups] of rows of a quantised format. Raises `ModelFileError`."""
        scale, minimum = self.checked().scales(self.blocks(data))
        return scale.reshape(len(data), -1), None if minimum is None else minimum.reshape(len(data), -1)

    def blocks(self, data: Bytes) -> Bytes:
        """Rows [rows, bytes of a row] as [rows, blocks, bytes of a block]."""
        return data.reshape(len(data), -1, self.bytes)

    def checked(self) -> Quantized:
        """How its blocks are decoded. Raises `ModelFileError` if that is not known."""
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


def _half(raw: Bytes) -> Floats:
    """float16 numbers of two bytes each along the last axis."""
    return np.ascontiguousarray(raw).view("<f2").astype(np.float32)


def _nibbles(packed: Bytes) -> Bytes:
    """The low halves of all bytes along the last axis, then the high halves."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _shifted(packed: Bytes, shifts: range, mask: int) -> Bytes:
    """[..., n] to [..., shifts, n]: the bits of every byte at each of the shifts."""
    packed = np.ascontiguousarray(packed)  # each shift is then one long loop
    return np.stack([packed >> np.uint8(shift) & np.uint8(mask) for shift in shifts], axis=-2)


def _fifth_bits(packed: Bytes) -> Bytes:
    """The fifth bits of 32 codes, from four bytes."""
    return np.unpackbits(packed, axis=-1, bitorder="little") << np.uint8(4)


def _one_scale(place: int) -> Callable[[Bytes], tuple[Floats, None]]:
    """A float16 scale at that place of a block."""
    return lambda raw: (_half(raw[..., place : place + 2]), None)


def _scale_and_minimum(raw: Bytes) -> tuple[Floats, Floats]:
    return _half(raw[..., :2]), _half(raw[..., 2:4])


def _signed(codes: Bytes, middle: int) -> npt.NDArray[np.int8]:
    return codes.view(np.int8) - np.int8(middle)


def _flat(codes: Bytes, dimensions: int) -> Bytes:
    """The last so many dimensions as one."""
    return codes.reshape(*codes.shape[:-dimensions], -1)


def _q5(codes: int, high: int) -> Callable[[Bytes], Bytes]:
    """Codes of five bits: nibbles at the one place, fifth bits at the other."""
    return lambda raw: _nibbles(raw[..., codes:]) | _fifth_bits(raw[..., high : high + 4])


_q5_0_codes, _q5_1_codes = _q5(6, 2), _q5(8, 4)


def _k_scales(raw: Bytes) -> tuple[Floats, Floats]:
    """Scales and minima of the eight groups of a Q4_K or Q5_K block, six bits each."""
    low, high, both = raw[..., 4:8], raw[..., 8:12], raw[..., 12:16]
    scale = np.concatenate([low & 63, (both & 15) | (low >> 6 << 4)], axis=-1)
    minimum = np.concatenate([high & 63, (both >> 4) | (high >> 6 << 4)], axis=-1)
    return _half(raw[..., :2]) * scale, -(_half(raw[..., 2:4]) * minimum)


def _k_nibbles(start: int) -> Callable[[Bytes], Bytes]:
    return lambda raw: raw[..., start:].reshape(*raw.shape[:-1], 4, 32)


def _q4_k_codes(raw: Bytes) -> Bytes:
    return _flat(_shifted(_k_nibbles(16)(raw), range(0, 8, 4), 15), 3)


def _q5_k_codes(raw: Bytes) -> Bytes:
    low = _flat(_shifted(_k_nibbles(48)(raw), range(0, 8, 4), 15), 3)
    return low | _flat(_shifted(raw[..., 16:48], range(8), 1), 2) << np.uint8(4)


def _q6_k_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    low = _flat(_shifted(raw[..., :128].reshape(*raw.shape[:-1], 2, 64), range(0, 8, 4), 15), 3)
    high = _flat(_shifted(raw[..., 128:192].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3), 3)
    return _signed(low | high << np.uint8(4), 32)


def _q6_k_scales(raw: Bytes) -> tuple[Floats, None]:
    return raw[..., 192:208].view(np.int8) * _half(raw[..., 208:210]), None


def _q2_k_codes(raw: Bytes) -> Bytes:
    return _flat(_shifted(raw[..., 16:80].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3), 3)


def _q2_k_scales(raw: Bytes) -> tuple[Floats, Floats]:
    scales, minima = raw[..., :16] & 15, raw[..., :16] >> 4
    return _half(raw[..., 80:82]) * scales, -(_half(raw[..., 82:84]) * minima)


def _q3_k_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    low = _flat(_shifted(raw[..., 32:96].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3), 3)
    high = _flat(_shifted(raw[..., :32], range(8), 1), 2)
    return _signed(low | high << np.uint8(2), 4)


def _q3_k_scales(raw: Bytes) -> tuple[Floats, None]:
    low = _nibbles(raw[..., 96:104])
    high = _flat(_shifted(raw[..., 104:108], range(0, 8, 2), 3), 2)
    return _half(raw[..., 108:110]) * _signed(low | high << np.uint8(4), 32), None


_IQ4_VALUES: Final = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int8)


def _iq4_xs_codes(raw: Bytes) -> npt.NDArray[np.int8]:
    return _IQ4_VALUES[_flat(_nibbles(raw[..., 8:].reshape(*raw.shape[:-1], 8, 16)), 2)]


def _iq4_xs_scales(raw: Bytes) -> tuple[Floats, None]:
    low = _flat(_shifted(raw[..., 4:8, None], range(0, 8, 4), 15), 3)
    high = _flat(_shifted(raw[..., 2:4, None], range(0, 8, 2), 3), 3)
    return _half(raw[..., :2]) * _signed(low | high << np.uint8(4), 32), None


# Twice the values of E2M1; the scale is halved in turn.
_E2M1_DOUBLED: Final = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)


def _mxfp4_scales(raw: Bytes) -> tuple[Floats, None]:
    return np.ldexp(np.float32(1), raw[..., :1].astype(np.int32) - 128).astype(np.float32), None


_Q4_0: Final = Quantized(
    4, lambda raw: _signed(_nibbles(raw[..., 2:]), 8), _one_scale(0), nibbles=lambda raw: raw[..., None, 2:]
)
_Q4_1: Final = Quantized(
    4, lambda raw: _nibbles(raw[..., 4:]), _scale_and_minimum, nibbles=lambda raw: raw[..., None, 4:]
)
_Q5_0: Final = Quantized(5, lambda raw: _signed(_q5_0_codes(raw), 16), _one_scale(0))
_Q5_1: Final = Quantized(5, _q5_1_codes, _scale_and_minimum)
_Q8_0: Final = Quantized(8, lambda raw: raw[..., 2:].view(np.int8), _one_scale(0))
_Q2_K: Final = Quantized(2, _q2_k_codes, _q2_k_scales, group=16)
_Q3_K: Final = Quantized(3, _q3_k_codes, _q3_k_scales, group=16)
_Q4_K: Final = Quantized(4, _q4_k_codes, _k_scales, nibbles=_k_nibbles(16))
_Q5_K: Final = Quantized(5, _q5_k_codes, _k_scales)
_Q6_K: Final = Quantized(6, _q6_k_codes, _q6_k_scales, group=16)
_IQ4_NL: Final = Quantized(8, lambda raw: _IQ4_VALUES[_nibbles(raw[..., 2:])], _one_scale(0))
_IQ4_XS: Final = Quantized(8, _iq4_xs_codes, _iq4_xs_scales)
_MXFP4: Final = Quantized(8, lambda raw: _E2M1_DOUBLED[_nibbles(raw[..., 1:])], _mxfp4_scales)

# By the number that stands for the format in a file.
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
