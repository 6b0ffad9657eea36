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
class BlockFormat:
    """`bits`: of one code. `group`: codes that share a scale. `decode` takes bytes [rows, blocks, bytes of a block];
    formats of plain numbers have a `number` type instead. A format with neither is known by its size alone."""

    name: str
    values: int
    bytes: int
    bits: int = 0
    decode: Callable[[Bytes], Codes] | None = None
    number: str | None = None
    group: int = 32

    def codes(self, data: Bytes) -> Codes:
        """Decode rows of a quantised format, bytes [rows, bytes of a row]. Raises `ModelFileError`."""
        if self.decode is None:
            raise ModelFileError(f"it has tensors in the format {self.name}, which is not supported")
        decoded = self.decode(data.reshape(len(data), -1, self.bytes))
        group = decoded.codes.shape[-1]
        minimum = None if decoded.minimum is None else decoded.minimum.reshape(len(data), -1)
        return Codes(decoded.codes.reshape(len(data), -1, group), decoded.scale.reshape(len(data), -1), minimum)

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
    return packed[..., None, :] >> np.array(shifts, np.uint8)[:, None] & np.uint8(mask)


def _fifth_bits(packed: Bytes) -> Bytes:
    """The fifth bits of 32 codes, from four bytes."""
    return np.unpackbits(packed, axis=-1, bitorder="little") << np.uint8(4)


def _q8_0(raw: Bytes) -> Codes:
    return Codes(raw[..., 2:].view(np.int8), _half(raw[..., :2]))


def _q4_0(raw: Bytes) -> Codes:
    return Codes(_nibbles(raw[..., 2:]).view(np.int8) - np.int8(8), _half(raw[..., :2]))


def _q4_1(raw: Bytes) -> Codes:
    return Codes(_nibbles(raw[..., 4:]), _half(raw[..., :2]), _half(raw[..., 2:4]))


def _q5_0(raw: Bytes) -> Codes:
    codes = _nibbles(raw[..., 6:]) | _fifth_bits(raw[..., 2:6])
    return Codes(codes.view(np.int8) - np.int8(16), _half(raw[..., :2]))


def _q5_1(raw: Bytes) -> Codes:
    codes = _nibbles(raw[..., 8:]) | _fifth_bits(raw[..., 4:8])
    return Codes(codes, _half(raw[..., :2]), _half(raw[..., 2:4]))


def _k_scales(raw: Bytes) -> tuple[Floats, Floats]:
    """Scales and minima of the eight groups of a Q4_K or Q5_K block, six bits each."""
    low, high, both = raw[..., 4:8], raw[..., 8:12], raw[..., 12:16]
    scale = np.concatenate([low & 63, (both & 15) | (low >> 6 << 4)], axis=-1)
    minimum = np.concatenate([high & 63, (both >> 4) | (high >> 6 << 4)], axis=-1)
    return _half(raw[..., :2]) * scale, -(_half(raw[..., 2:4]) * minimum)


def _q4_k(raw: Bytes) -> Codes:
    codes = _shifted(raw[..., 16:].reshape(*raw.shape[:-1], 4, 32), range(0, 8, 4), 15)
    return Codes(codes.reshape(*raw.shape[:-1], 8, 32), *_k_scales(raw))


def _q5_k(raw: Bytes) -> Codes:
    low = _shifted(raw[..., 48:].reshape(*raw.shape[:-1], 4, 32), range(0, 8, 4), 15)
    high = _shifted(raw[..., 16:48], range(8), 1) << np.uint8(4)
    return Codes(low.reshape(*raw.shape[:-1], 8, 32) | high, *_k_scales(raw))


def _q6_k(raw: Bytes) -> Codes:
    low = _shifted(raw[..., :128].reshape(*raw.shape[:-1], 2, 64), range(0, 8, 4), 15)
    high = _shifted(raw[..., 128:192].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3) << np.uint8(4)
    shape = (*raw.shape[:-1], 16, 16)
    codes = (low.reshape(shape) | high.reshape(shape)).view(np.int8) - np.int8(32)
    return Codes(codes, raw[..., 192:208].view(np.int8) * _half(raw[..., 208:210]))


def _q2_k(raw: Bytes) -> Codes:
    codes = _shifted(raw[..., 16:80].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3)
    scales, minimum = raw[..., :16] & 15, raw[..., :16] >> 4
    scale = _half(raw[..., 80:82]) * scales
    return Codes(codes.reshape(*raw.shape[:-1], 16, 16), scale, -(_half(raw[..., 82:84]) * minimum))


def _q3_k(raw: Bytes) -> Codes:
    shape = (*raw.shape[:-1], 16, 16)
    low = _shifted(raw[..., 32:96].reshape(*raw.shape[:-1], 2, 32), range(0, 8, 2), 3)
    high = _shifted(raw[..., :32], range(8), 1) << np.uint8(2)
    codes = (low.reshape(shape) | high.reshape(shape)).view(np.int8) - np.int8(4)
    low_scales = _nibbles(raw[..., 96:104])
    high_scales = _shifted(raw[..., 104:108], range(0, 8, 2), 3).reshape(low_scales.shape) << np.uint8(4)
    scales = (low_scales | high_scales).view(np.int8) - np.int8(32)
    return Codes(codes, _half(raw[..., 108:110]) * scales)


_IQ4_VALUES: Final = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int8
)  # fmt: skip


def _iq4_nl(raw: Bytes) -> Codes:
    return Codes(_IQ4_VALUES[_nibbles(raw[..., 2:])], _half(raw[..., :2]))


def _iq4_xs(raw: Bytes) -> Codes:
    low = _shifted(raw[..., 4:8, None], range(0, 8, 4), 15).reshape(*raw.shape[:-1], 8)
    high = _shifted(raw[..., 2:4, None], range(0, 8, 2), 3).reshape(*raw.shape[:-1], 8) << np.uint8(4)
    scales = (low | high).view(np.int8) - np.int8(32)
    return Codes(_IQ4_VALUES[_nibbles(raw[..., 8:].reshape(*raw.shape[:-1], 8, 16))], _half(raw[..., :2]) * scales)


# Twice the values of E2M1; the scale is halved in turn.
_E2M1_DOUBLED: Final = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)


def _mxfp4(raw: Bytes) -> Codes:
    scale = np.ldexp(np.float32(1), raw[..., :1].astype(np.int32) - 128)
    return Codes(_E2M1_DOUBLED[_nibbles(raw[..., 1:])], scale.astype(np.float32))


# By the number that stands for the format in a file.
FORMATS: Final[dict[int, BlockFormat]] = {
    0: BlockFormat("F32", 1, 4, number="<f4"),
    1: BlockFormat("F16", 1, 2, number="<f2"),
    2: BlockFormat("Q4_0", 32, 18, 4, _q4_0),
    3: BlockFormat("Q4_1", 32, 20, 4, _q4_1),
    6: BlockFormat("Q5_0", 32, 22, 5, _q5_0),
    7: BlockFormat("Q5_1", 32, 24, 5, _q5_1),
    8: BlockFormat("Q8_0", 32, 34, 8, _q8_0),
    10: BlockFormat("Q2_K", 256, 84, 2, _q2_k, group=16),
    11: BlockFormat("Q3_K", 256, 110, 3, _q3_k, group=16),
    12: BlockFormat("Q4_K", 256, 144, 4, _q4_k),
    13: BlockFormat("Q5_K", 256, 176, 5, _q5_k),
    14: BlockFormat("Q6_K", 256, 210, 6, _q6_k, group=16),
    16: BlockFormat("IQ2_XXS", 256, 66),
    17: BlockFormat("IQ2_XS", 256, 74),
    18: BlockFormat("IQ3_XXS", 256, 98),
    19: BlockFormat("IQ1_S", 256, 50),
    20: BlockFormat("IQ4_NL", 32, 18, 8, _iq4_nl),
    21: BlockFormat("IQ3_S", 256, 110),
    22: BlockFormat("IQ2_S", 256, 82),
    23: BlockFormat("IQ4_XS", 256, 136, 8, _iq4_xs),
    24: BlockFormat("I8", 1, 1),
    25: BlockFormat("I16", 1, 2),
    26: BlockFormat("I32", 1, 4),
    27: BlockFormat("I64", 1, 8),
    28: BlockFormat("F64", 1, 8, number="<f8"),
    29: BlockFormat("IQ1_M", 256, 56),
    30: BlockFormat("BF16", 1, 2, number="bf16"),
    34: BlockFormat("TQ1_0", 256, 54),
    35: BlockFormat("TQ2_0", 256, 66),
    39: BlockFormat("MXFP4", 32, 17, 8, _mxfp4),
    40: BlockFormat("NVFP4", 64, 36),
    41: BlockFormat("Q1_0", 128, 18),
}
