"""Codes of four or eight bits in words of 32 bits, as stored in quantised checkpoints, and the other parts of a
module."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from forefront.graph.block_bits import Bytes
from forefront.graph.block_formats import Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import Tensor

Rows = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


def unpack(words: Array, bits: int) -> Bytes:
    """Words [rows, n] of four or eight codes each, the first in the lowest bits, as [rows, inputs]."""
    packed = np.ascontiguousarray(words).view(np.uint8)
    if bits == 8:
        return packed
    spread = packed.astype(np.uint16)
    spread |= spread << np.uint16(4)
    spread &= np.uint16(0x0F0F)
    return spread.view(np.uint8)


def unpack_outputs(words: Array, outputs: Rows, bits: int, places: Array | None = None) -> Array:
    """Codes [outputs, n] of words [n, all outputs / codes in a word]. `places`: of each output in its word."""
    each = 32 // bits
    places = np.arange(each) if places is None else places
    columns, inverse = np.unique(outputs // each, return_inverse=True)
    selected = transposed_columns(words, columns)[inverse]
    selected >>= (places[outputs % each] * bits).astype(np.uint32)[:, None]
    selected &= np.uint32((1 << bits) - 1)
    return selected.astype(np.uint8)


def transposed_columns(matrix: Array, columns: Rows) -> Array:
    """Columns of a matrix as rows of a new one."""
    first, end = columns[0], columns[-1] + 1
    is_range = end - first == len(columns) and (np.diff(columns) == 1).all()
    selected = np.ascontiguousarray(matrix[:, first:end]) if is_range else matrix[:, columns]
    return np.array(selected.T, order="C")


def read_words(name: str, parts: Mapping[str, Tensor], part: str) -> Array:
    """A part of the module `name` as words [rows, columns]. Raises `ModelFileError`."""
    tensor = parts.get(part)
    if tensor is None or tensor.format.name not in ("I32", "U32") or len(tensor.shape) > 2:
        raise module_error(name, f"no {part} of words")
    return as_matrix(tensor, np.uint32)


def read_scales(name: str, parts: Mapping[str, Tensor], part: str = "scales") -> Array:
    """A part of the module `name` as numbers [rows, columns]. Raises `ModelFileError`."""
    tensor = parts.get(part)
    if tensor is None or tensor.format.number is None or len(tensor.shape) > 2:
        raise module_error(name, f"no {part} of numbers")
    values = tensor.floats() if tensor.format.number == "bf16" else as_matrix(tensor, tensor.format.number)
    return values if len(tensor.shape) == 2 else values.reshape(-1, 1)


def read_finite(name: str, parts: Mapping[str, Tensor], part: str) -> Floats:
    """A part of the module `name` as finite float32 numbers [rows, columns]. Raises `ModelFileError`."""
    values: Floats = read_scales(name, parts, part).astype(np.float32)
    if not np.isfinite(values).all():
        raise module_error(name, f"a {part} with values that are not finite numbers")
    return values


def as_matrix(tensor: Tensor, kind: npt.DTypeLike) -> Array:
    """[rows, columns] in the memory of the file."""
    data = tensor.data[:]
    return data.view(kind) if data.flags.c_contiguous else np.ascontiguousarray(data).view(kind)


def module_error(name: str, reason: str) -> ModelFileError:
    """The error for a module whose parts cannot be used."""
    return ModelFileError(f"its module {name[:80]!r} cannot be dequantised: it has {reason}")
