"""Matrices of bitsandbytes: codes of four bits for the values of a table, or integers of eight bits.

Four bits: two codes to a byte, the first in the upper half. The codes of all rows in a line are divided into blocks,
and each has its largest magnitude, which is often a code for the values of another table. Layout: bitsandbytes'
`functional.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from forefront.graph.block_formats import Floats
from forefront.graph.hugging_face.quantization.expanded_matrix import expanded_tensor
from forefront.graph.hugging_face.quantization.packed_codes import Array, Rows, as_matrix, module_error, read_finite
from forefront.graph.hugging_face.quantization.packed_matrix import PackedMatrix, packed_tensor
from forefront.graph.model_file import Tensor

_STATE: Final = ".weight.quant_state.bitsandbytes__"
_KINDS: Final = {"nf4": "NF4", "fp4": "FP4"}
_PARTS: Final = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
_INTEGERS: Final = ".SCB"
_IGNORED: Final = ".weight_format"  # of integers: rows in the usual order, the only one that files have
_LARGEST: Final = 1 << 31


def assemble_bits_and_bytes(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with one matrix in place of the parts of each module. Raises `ModelFileError`."""
    tensors = {name: tensor for name, tensor in stored.items() if not name.endswith(_IGNORED)}
    for name in stored:
        module, is_state, kind = name.rpartition(_STATE)
        if is_state:
            weight = f"{module}.weight"
            parts = {part: tensors.pop(f"{weight}.{part}") for part in _PARTS if f"{weight}.{part}" in tensors}
            tensors[weight] = _four_bits(module, kind, {**parts, "state": tensors.pop(name)}, tensors.get(weight))
        elif name.endswith(_INTEGERS):
            module = name.removesuffix(_INTEGERS)
            tensors[f"{module}.weight"] = _integers(module, tensors.get(f"{module}.weight"), tensors.pop(name))
    return tensors


@dataclass(frozen=True, slots=True)
class _Magnitudes:
    """The largest magnitude of each block."""

    codes: Array
    table: Floats | None
    scales: Floats | None
    size: int
    offset: float

    def of(self, blocks: Array) -> Floats:
        """In the shape of `blocks`, which are numbers of blocks."""
        found = self.codes[blocks]
        if self.table is None or self.scales is None:
            return np.asarray(found, np.float32)
        return np.asarray(self.table[found] * self.scales[blocks // self.size] + np.float32(self.offset), np.float32)


def _four_bits(name: str, kind: str, parts: Mapping[str, Tensor], weight: Tensor | None) -> Tensor:
    state = _read_state(name, parts["state"])
    shape, size = _sizes(state.get("shape"), 2), _size(state.get("blocksize"))
    if kind not in _KINDS or shape is None or size is None:
        raise module_error(name, f"codes of the kind {kind[:20]!r} with an unusable shape or size of blocks")
    outputs, inputs = shape
    table = read_finite(name, parts, "quant_map").ravel()
    magnitudes = _read_magnitudes(name, parts, state, -(-outputs * inputs // size))
    if weight is None or weight.format.name != "U8" or inputs % 2 or len(table) != 16:
        raise module_error(name, "no codes of four bits, or no table of 16 values")
    if weight.data[:].size * 2 != outputs * inputs:
        raise module_error(name, "codes of another shape")
    pairs = as_matrix(weight, np.uint8).reshape(outputs, inputs // 2)
    both = np.stack([table.repeat(16), np.tile(table, 16)], axis=1)

    def values(rows: Rows) -> Floats:
        numbers: Floats = both[pairs[rows]].reshape(len(rows), inputs)
        first = rows[:, None] * inputs
        if inputs % size == 0:
            numbers *= magnitudes.of(first // size + np.arange(inputs // size)).repeat(size, axis=1)
        else:  # blocks go on in the next row
            numbers *= magnitudes.of((first + np.arange(inputs)) // size)
        return numbers

    return expanded_tensor(f"{name}.weight", _KINDS[kind], (outputs, inputs), values)


def _read_state(name: str, tensor: Tensor) -> dict[str, Any]:
    try:
        found = json.loads(tensor.data[:].tobytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise module_error(name, "a quant_state that is not a JSON object")
    return found


def _read_magnitudes(name: str, parts: Mapping[str, Tensor], state: Mapping[str, Any], count: int) -> _Magnitudes:
    """Of `count` blocks."""
    stored = parts.get("absmax")
    if stored is None or stored.data[:].size // stored.format.bytes != count:
        raise module_error(name, f"no absmax for {count} blocks")
    if stored.format.name != "U8":
        return _Magnitudes(read_finite(name, parts, "absmax").ravel(), None, None, 1, 0.0)
    size, offset = _size(state.get("nested_blocksize")), state.get("nested_offset", 0.0)
    table, scales = (read_finite(name, parts, part).ravel() for part in ("nested_quant_map", "nested_absmax"))
    if size is None or len(table) != 256 or len(scales) != -(-count // size):
        raise module_error(name, "a nested absmax of another shape")
    if isinstance(offset, bool) or not isinstance(offset, int | float) or not abs(offset) < 1e30:
        raise module_error(name, "an unusable nested_offset")
    return _Magnitudes(as_matrix(stored, np.uint8).ravel(), table, scales, size, offset)


def _integers(name: str, weight: Tensor | None, scales: Tensor) -> Tensor:
    """Each row with its largest magnitude, which 127 stands for."""
    if weight is None or weight.format.name != "I8" or len(weight.shape) != 2:
        raise module_error(name, "no matrix of integers")
    largest = read_finite(name, {"SCB": scales}, "SCB") / np.float32(127)
    if largest.size != weight.shape[0]:
        raise module_error(name, "an SCB of another shape")
    column, data = largest.reshape(-1, 1), weight.data
    return packed_tensor(
        PackedMatrix(
            name, 8, (weight.shape[0], weight.shape[1]), 1, lambda rows: data[rows] ^ np.uint8(128), column.__getitem__
        )
    )


def _sizes(found: Any, count: int) -> list[int] | None:
    is_list = isinstance(found, list) and len(found) == count
    return found if is_list and all(type(n) is int and 0 < n < _LARGEST for n in found) else None


def _size(found: Any) -> int | None:
    sizes = _sizes([found], 1)
    return None if sizes is None else sizes[0]
