"""From GGUF's blocks to the compressed constants that OpenVINO's kernels compute with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forefront.graph.block_bits import Bytes, pack_pairs
from forefront.graph.block_formats import Codes, Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import Tensor
from forefront.graph.packing.layout import Layout, Packed
from forefront.graph.packing.quantize import GROUP, quantize, round_groups

Rows = npt.NDArray[np.int64]

# Values packed per step: temporary arrays stay in the processor's cache.
_CHUNK: Final = 1 << 19
_NUMBERS: Final = {"<f4": "f32", "<f2": "f16", "bf16": "bf16"}
# The bits of the exponent: a number in which all are set is infinite or NaN.
_EXPONENTS: Final[dict[str, Any]] = {
    "<f4": np.uint32(0x7F80_0000),
    "<f2": np.uint16(0x7C00),
    "bf16": np.uint16(0x7F80),
    "<f8": np.uint64(0x7FF0_0000_0000_0000),
}


@dataclass(frozen=True, slots=True)
class Rounding:
    """`exact`: no quantised format is rounded anew for speed. `bits`: to which matrices of plain numbers are rounded, 8
    or 4; 0 for none. `precision`: of computation, "f32" or "bf16". `paged`: whether the graph has paged attention."""

    exact: bool
    bits: int = 0
    precision: str = "f32"
    paged: bool = True


def layout_of(tensor: Tensor, rounding: Rounding) -> Layout:
    """The layout of a tensor. Raises `ModelFileError` for a format that is not supported.

    Groups of 16 have no fast kernel: unless `exact`, they are rounded anew to eight bits in groups of 32. Plain numbers
    are rounded to `bits` where their rows are whole groups; those that are made of fewer bits also without them.
    """
    kind = tensor.format
    if kind.number is not None:
        if kind.number not in _NUMBERS:
            raise ModelFileError(f"it has matrices in the format {kind.name}, which is not supported")
        bits = (0 if rounding.exact else kind.rounded_bits) if kind.rounded_bits else rounding.bits
        if bits and tensor.shape[-1] % GROUP == 0:
            return Layout(f"i{bits}", GROUP)
        # Kernels of float32 read 16-bit matrices only in graphs with paged attention. In other graphs the plugin would
        # create a private float32 copy, so they are expanded in the mapped file.
        keeps = rounding.paged or rounding.precision == "bf16"
        return Layout(_NUMBERS[kind.number] if keeps else "f32")
    quantized = kind.checked()
    if not rounding.exact and quantized.group < GROUP:
        return Layout("i8", GROUP)
    has_minimum = kind.scales(tensor.data[:1])[1] is not None
    return Layout("i4" if quantized.bits <= 4 else "i8", quantized.group, has_minimum)


def is_rounded(tensor: Tensor, layout: Layout) -> bool:
    """Whether a tensor's values are not stored exactly in that layout."""
    quantized = tensor.format.quantized
    return layout.group != (0 if quantized is None else quantized.group)


def is_plain(tensor: Tensor, layout: Layout) -> bool:
    """Whether the tensor is already stored in the layout."""
    return layout.group == 0 and _NUMBERS.get(tensor.format.number or "") == layout.element


def chunks(rows: int, inputs: int) -> Iterator[slice]:
    """The rows of a matrix in pieces that can be packed by themselves."""
    step = max(1, _CHUNK // inputs)
    for start in range(0, rows, step):
        yield slice(start, start + step)


def pack(tensor: Tensor, layout: Layout, data: Bytes) -> Packed:
    """Rows of a matrix, bytes [rows, bytes of a row], in that layout. Raises `ModelFileError`."""
    if layout.group == 0:
        return Packed(data if is_plain(tensor, layout) else tensor.format.floats(data).view(np.uint8))
    if tensor.format.number is not None:
        return quantize(_finite_floats(tensor, data), layout)
    scale, minimum = _finite_scales(tensor, data)
    quantized = tensor.format.checked()
    if quantized.group != layout.group:
        codes = quantized.codes(tensor.format.blocks(data)).reshape(len(data), -1)
        return round_groups(Codes(codes, scale, minimum), quantized.bits)
    if minimum is not None:
        minimum = minimum + (1 << (quantized.bits - 1)) * scale
    return Packed(_centred_codes(tensor, data, layout, has_minimum=minimum is not None), scale, minimum)


def _centred_codes(tensor: Tensor, data: Bytes, layout: Layout, *, has_minimum: bool) -> Bytes:
    """Codes around zero [rows, bytes of a row]: they need no zero point, without which the kernels are faster and round
    less."""
    quantized, blocks = tensor.format.checked(), tensor.format.blocks(data)
    if quantized.pairs is not None:
        pairs = quantized.pairs(blocks).reshape(len(data), -1)
        pairs ^= np.uint8(0x88)  # in four bits, the code less eight
        return pairs
    codes = quantized.codes(blocks).reshape(len(data), -1)
    if has_minimum:
        codes -= np.uint8(1 << (quantized.bits - 1))
    return pack_pairs(codes) if layout.element == "i4" else codes.view(np.uint8)


def check_finite(tensor: Tensor, data: Bytes) -> None:
    """Raises `ModelFileError` if rows of a matrix have values that are not finite numbers."""
    exponent = _EXPONENTS.get(tensor.format.number or "")
    if exponent is None:
        _finite_scales(tensor, data)
    elif (np.ascontiguousarray(data).view(exponent.dtype) & exponent == exponent).any():
        raise ModelFileError(f"its tensor {tensor.name[:80]!r} has values that are not finite numbers")


def _finite_floats(tensor: Tensor, data: Bytes) -> Floats:
    values = tensor.format.floats(data)
    if not np.isfinite(values).all():
        raise ModelFileError(f"its tensor {tensor.name[:80]!r} has values that are not finite numbers")
    return values


def _finite_scales(tensor: Tensor, data: Bytes) -> tuple[Floats, Floats | None]:
    scale, minimum = tensor.format.scales(data)
    for numbers in (scale, minimum):
        if numbers is not None and not np.isfinite(numbers).all():
            raise ModelFileError(f"its tensor {tensor.name[:80]!r} has scales that are not finite numbers")
    return scale, minimum
