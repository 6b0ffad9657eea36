"""From GGUF's blocks to the compressed constants that OpenVINO's kernels compute with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forefront.graph.blocks import Codes, Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf_file import Tensor

Rows = npt.NDArray[np.int64]

# Values that are decoded at a time, so that a large matrix does not take several times its size.
_CHUNK: Final = 1 << 23
_GROUP: Final = 32
_HALF: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the numbers of a matrix are stored. `element`: OpenVINO's name of the code's type, or of plain numbers with
    `group` 0. `group`: codes that share a scale. `scale`: the scales' type. Matrices of one layout can be joined."""

    element: str
    group: int = 0
    scale: str = "f4"
    has_minimum: bool = False


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of a matrix. A value is `scale * code + minimum`. `codes`: bytes [rows, bytes of a row], two codes of four
    bits to a byte. `scale`, `minimum`: [rows, groups], where the layout has them."""

    codes: npt.NDArray[Any]
    scale: npt.NDArray[Any] | None = None
    minimum: Floats | None = None


def layout_of(tensor: Tensor, exact: bool) -> Layout:
    """How a tensor is to be stored. Raises `ModelFileError` for a format that is not supported.

    Groups of 16 have no fast kernel: unless `exact`, they are rounded anew to eight bits in groups of 32.
    """
    kind = tensor.format
    if kind.number is not None:
        return Layout({"f16": "f16", "<f2": "f16", "bf16": "bf16"}.get(kind.number, "f32"))
    if is_rounded(tensor, exact):
        return Layout("i8", _GROUP)
    has_minimum = kind.codes(tensor.data[:1]).minimum is not None
    # Formats of 32 values have float16 scales of their own; the K formats' are products of two numbers.
    scale = "f2" if kind.values == _GROUP and kind.name != "MXFP4" else "f4"
    return Layout("i4" if kind.bits <= 4 else "i8", kind.group, scale, has_minimum)


def is_rounded(tensor: Tensor, exact: bool) -> bool:
    """Whether a tensor's values are not stored exactly."""
    return not exact and tensor.format.group == 16


def pack(tensor: Tensor, layout: Layout, rows: Rows | None = None) -> Iterator[Packed]:
    """The rows of a matrix in chunks; `rows` chooses and orders them. Raises `ModelFileError`."""
    data = tensor.data
    step = max(1, _CHUNK // tensor.shape[-1])
    for start in range(0, len(data) if rows is None else len(rows), step):
        part = data[start : start + step] if rows is None else data[rows[start : start + step]]
        if layout.group == 0:
            yield Packed(part)
        else:
            codes = tensor.format.codes(part)
            _check_finite(tensor, codes)
            yield _packed(
                codes if codes.codes.shape[-1] == layout.group else _rounded(codes), layout, tensor.format.bits
            )


def _packed(codes: Codes, layout: Layout, bits: int) -> Packed:
    values, minimum = codes.codes, codes.minimum
    if minimum is not None:
        # Codes around zero need no zero point, without which the kernels are faster and round less.
        middle = 1 << (bits - 1)
        values = values.view(np.int8) - np.int8(middle)
        minimum = minimum + np.float32(middle) * codes.scale
    flat = values.reshape(len(values), -1).view(np.uint8)
    if layout.element == "i4":
        flat = flat[:, 0::2] & np.uint8(15) | flat[:, 1::2] << np.uint8(4)
    return Packed(flat, codes.scale.astype(f"<{layout.scale}"), minimum)


def _rounded(codes: Codes) -> Codes:
    """The same values rounded to eight bits in groups of 32: off by 1/254 of a group's largest value at most."""
    values = codes.floats().reshape(len(codes.codes), -1, _GROUP)
    scale = np.abs(values).max(axis=-1) / np.float32(127)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    return Codes(np.rint(values * inverse[..., None]).astype(np.int8), scale)


def _check_finite(tensor: Tensor, codes: Codes) -> None:
    for numbers in (codes.scale, codes.minimum):
        if numbers is not None and not np.isfinite(numbers).all():
            raise ModelFileError(f"its tensor {tensor.name[:80]!r} has scales that are not finite numbers")
