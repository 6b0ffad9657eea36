"""Matrices of floating-point numbers with eight bits: with a scale for the matrix, each row or each block.

E4M3 has four bits of exponent and no infinity, E5M2 is the upper half of float16; OCP's "8-bit floating point
specification". A scale in E8M0 is a power of two.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from forefront.graph.block_formats import Floats
from forefront.graph.hugging_face.quantization.expanded_matrix import expanded_tensor
from forefront.graph.hugging_face.quantization.packed_codes import Rows, as_matrix, module_error, read_finite
from forefront.graph.model_file import Tensor

_SCALES: Final = ("weight_scale_inv", "weight_scale")  # both are factors
_USUAL_BLOCK: Final = (128, 128)


def _e4m3() -> Floats:
    """The value of each code."""
    codes = np.arange(256)
    exponent, fraction = codes >> 3 & 15, codes & 7
    values = np.where(exponent == 0, np.ldexp(fraction, -9), np.ldexp(8 + fraction, exponent - 10))
    values = np.where(codes & 127 == 127, np.nan, values)
    return np.where(codes & 128, -values, values).astype(np.float32)


def _e5m2() -> Floats:
    return (np.arange(256).astype(np.uint16) << 8).view(np.float16).astype(np.float32)


_TABLES: Final = {"F8_E4M3": _e4m3(), "F8_E5M2": _e5m2()}


def is_float8(tensor: Tensor | None) -> bool:
    """Whether a tensor consists of floating-point numbers with eight bits."""
    return tensor is not None and tensor.format.name in _TABLES


def float8_tensor(config: Mapping[str, Any], name: str, parts: Mapping[str, Tensor]) -> Tensor:
    """The matrix of the module `name`. `config`: the quantisation's. Raises `ModelFileError`."""
    weight = parts.get("weight")
    if weight is None or weight.format.name not in _TABLES or len(weight.shape) != 2:
        raise module_error(name, "a scale, but no matrix of floating-point numbers with eight bits")
    outputs, inputs = weight.shape
    scales = _read_scales(name, parts)
    heights, widths = (
        _block_size(count, size, block)
        for count, size, block in zip(scales.shape, weight.shape, _block(config), strict=True)
    )
    if not heights or not widths:
        raise module_error(name, f"scales {scales.shape[0]} x {scales.shape[1]} for {outputs} x {inputs} numbers")
    table, data = _TABLES[weight.format.name], weight.data

    def values(rows: Rows) -> Floats:
        selected = scales[rows // heights].repeat(widths, axis=1)[:, :inputs]
        numbers: Floats = table.take(data[rows])
        numbers *= selected
        return numbers

    return expanded_tensor(f"{name}.weight", weight.format.name, (outputs, inputs), values)


def _read_scales(name: str, parts: Mapping[str, Tensor]) -> Floats:
    """[rows of blocks, columns of blocks]"""
    part = next((part for part in _SCALES if part in parts), _SCALES[0])
    tensor = parts.get(part)
    if tensor is not None and tensor.format.name == "F8_E8M0" and len(tensor.shape) == 2:
        powers = as_matrix(tensor, np.uint8).astype(np.int32)
        if (powers == 255).any():
            raise module_error(name, f"a {part} with values that are not numbers")
        return np.ldexp(np.float32(1), powers - 127).astype(np.float32)
    return read_finite(name, parts, part)


def _block(config: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of a block, as the configuration has them or as usual."""
    groups = config.get("config_groups")
    weights = [group.get("weights") for group in groups.values()] if isinstance(groups, dict) else []
    found: Any = config.get("weight_block_size")
    for entry in weights:
        if isinstance(entry, dict) and entry.get("block_structure") is not None:
            found = entry["block_structure"]
    is_block = isinstance(found, list) and len(found) == 2 and all(type(size) is int and size > 0 for size in found)
    return (found[0], found[1]) if is_block else _USUAL_BLOCK


def _block_size(count: int, size: int, block: int) -> int:
    """Of one dimension that `count` scales share; 0 if they do not fit it."""
    if count == 1:
        return size
    if count == size:
        return 1
    return block if count == -(-size // block) else size // count if size % count == 0 else 0
