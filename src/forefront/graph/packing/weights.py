"""Checked access to the tensors of a model, by name and shape."""

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from forefront.graph.block_formats import Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import ModelFile, Tensor
from forefront.graph.packing.layout import Layout, Packed
from forefront.graph.packing.pack import Rounding, Rows, check_finite, chunks, is_plain, is_rounded, layout_of, pack
from forefront.graph.packing.weight_file import MatrixWriter, WeightFile

_OUTPUTS: Final = ("output.weight", "token_embd.weight")
# Bytes that each thread needs while it packs.
_KEPT: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A matrix, or rows of one in another order."""

    name: str
    rows: Rows | None = None

    @property
    def key(self) -> str:
        """The same for the same rows of the same tensor."""
        return self.name if self.rows is None else f"{self.name}:{zlib.crc32(self.rows.tobytes()):08x}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """W [outputs, inputs] in OpenVINO's layout; a product is x · Wᵀ. `outputs`: of each of the joined matrices.
    `input_order`: the channel of x for each column, None for their own order."""

    outputs: list[int]
    inputs: int
    layout: Layout
    packed: Packed
    input_order: Rows | None = None

    @property
    def rows(self) -> int:
        """All outputs."""
        return sum(self.outputs)


class Weights:
    """Checked access to the tensors of `file`; packed matrices are kept in `cache`."""

    def __init__(self, file: ModelFile, cache: WeightFile, rounding: Rounding) -> None:
        self._file = file
        self._cache = cache
        self._rounding = rounding
        self._used: set[str] = set()
        # Formats whose values are rounded for computation, by the number of bits.
        self.rounded: dict[int, set[str]] = {}

    def unused(self) -> set[str]:
        """Tensors of the file that have not been used."""
        return set(self._file.tensors) - self._used

    def leave(self, *names: str) -> None:
        """Mark tensors that the model does not use, if the file has them."""
        self._used.update(names)

    def release(self) -> None:
        """Release pages of the model's files and of the packed matrices to the system. Thread-safe."""
        self._file.release()
        self._cache.release()

    @property
    def count(self) -> int:
        """The number of tensors in the file."""
        return len(self._file.tensors)

    def has(self, name: str) -> bool:
        """Whether the file has the tensor."""
        return name in self._file.tensors

    def tensor(self, name: str, shape: Sequence[int]) -> Tensor:
        """A tensor of that shape. Raises `ModelFileError`."""
        tensor = self._file.tensors.get(name)
        if tensor is None:
            raise ModelFileError(f"it has no tensor {name!r}, which its architecture needs")
        if tensor.shape != tuple(shape):
            found, wanted = (" x ".join(map(str, reversed(dimensions))) for dimensions in (tensor.shape, shape))
            raise ModelFileError(f"its tensor {name!r} has the shape {found}; its metadata implies {wanted}")
        self._used.add(name)
        return tensor

    def matrix_tensor(self, name: str, inputs: int) -> Tensor:
        """A tensor of two dimensions, with as many rows as the file has. Raises `ModelFileError`."""
        found = self._file.tensors.get(name)
        tensor = self.tensor(name, [found.shape[0] if found else 0, inputs])
        if tensor.input_order is not None:
            raise ModelFileError(f"its tensor {name!r} has its columns in another order, which is not supported")
        self._check_finite(tensor)
        return tensor

    def vector(self, name: str, size: int) -> Floats:
        """A tensor of one dimension, as finite float32 numbers. Raises `ModelFileError`."""
        values = self.tensor(name, [size]).floats()
        if not np.isfinite(values).all():
            raise ModelFileError(f"its tensor {name!r} has values that are not finite numbers")
        return values

    def optional_vector(self, name: str, size: int) -> Floats | None:
        """The same, or None if the file does not have it."""
        return self.vector(name, size) if self.has(name) else None

    def matrices(self, parts: Sequence[Part], outputs: Sequence[int], inputs: int) -> list[Matrix]:
        """Matrices of the same inputs. Neighbours of one format are joined: one product is faster than several."""
        tensors = [self.tensor(part.name, [rows, inputs]) for part, rows in zip(parts, outputs, strict=True)]
        layouts = [self._layout(part.name, tensor) for part, tensor in zip(parts, tensors, strict=True)]
        orders = [b"" if tensor.input_order is None else tensor.input_order.tobytes() for tensor in tensors]
        kinds = list(zip(layouts, orders, strict=True))
        joined: list[Matrix] = []
        start = 0
        for end in range(1, len(parts) + 1):
            if end == len(parts) or layouts[start].group == 0 or kinds[end] != kinds[start]:
                joined.append(self._packed(parts[start:end], tensors[start:end], layouts[start]))
                start = end
        return joined

    def matrix(self, part: Part, outputs: int, inputs: int) -> Matrix:
        """One matrix. `outputs` are those of the tensor, before rows are chosen."""
        return self.matrices([part], [outputs], inputs)[0]

    def _layout(self, name: str, tensor: Tensor) -> Layout:
        # Rounding errors of the output projection affect logits directly, so it keeps more bits.
        rounding = self._rounding
        if rounding.bits and name in _OUTPUTS:
            rounding = replace(rounding, bits=8)
        layout = layout_of(tensor, rounding)
        if is_rounded(tensor, layout):
            self.rounded.setdefault(int(layout.element[1:]), set()).add(tensor.format.name)
        return layout

    def _packed(self, parts: Sequence[Part], tensors: Sequence[Tensor], layout: Layout) -> Matrix:
        inputs = tensors[0].shape[-1]
        outputs = [
            len(tensor.data if part.rows is None else part.rows) for part, tensor in zip(parts, tensors, strict=True)
        ]
        if layout.group == 0:
            self._check_finite(tensors[0])
        if is_plain(tensors[0], layout) and parts[0].rows is None and _is_aligned(tensors[0]):
            return Matrix(outputs, inputs, layout, Packed(tensors[0].data[:]))  # as it lies in the model's own file

        def fill(writer: MatrixWriter) -> None:
            first = 0
            for part, tensor, count in zip(parts, tensors, outputs, strict=True):
                _in_threads(partial(_pack_rows, writer, first, part, tensor, layout), chunks(count, inputs))
                first += count

        name = "+".join(part.key for part in parts)
        layout, packed = self._cache.matrix(name, layout, sum(outputs), inputs, fill)
        return Matrix(outputs, inputs, layout, packed, tensors[0].input_order)

    def _check_finite(self, tensor: Tensor) -> None:
        """Raises `ModelFileError` if a matrix has values that are not finite numbers. The matrices of a complete cache
        have already been checked."""

        def check(rows: slice) -> None:
            check_finite(tensor, tensor.data[rows])

        if not self._cache.complete:
            _in_threads(check, chunks(len(tensor.data), tensor.shape[-1]))


def _is_aligned(tensor: Tensor) -> bool:
    """Whether the rows lie in a file at multiples of their numbers' size."""
    return isinstance(tensor.data, np.ndarray) and bool(tensor.data[:1].ctypes.data % tensor.format.bytes == 0)


def _pack_rows(writer: MatrixWriter, first: int, part: Part, tensor: Tensor, layout: Layout, rows: slice) -> None:
    """Pack some rows of a part that begins at the row `first` of the matrix."""
    data = tensor.data[rows if part.rows is None else part.rows[rows]]
    writer.write(first + rows.start, pack(tensor, layout, data))


def _in_threads(function: Callable[[slice], None], pieces: Iterable[slice]) -> None:
    """Call `function` for each piece, in several threads: NumPy computes without the interpreter lock."""
    # glibc keeps up to twice the largest block that was freed. Below that, it returns the memory of temporary arrays to
    # the system, and most of the time goes into page faults.
    np.empty(_KEPT // 2, np.uint8)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(function, pieces):
            pass


class EmbeddingTable:
    """Rows of the embedding matrix, dequantised from the mapped file when they are needed. Takes token ids [tokens]."""

    def __init__(self, tensor: Tensor, factor: float = 1.0) -> None:
        self._tensor = tensor
        self._factor = np.float32(factor)

    def __call__(self, tokens: npt.NDArray[np.int64]) -> Floats:
        rows = self._tensor.format.floats(self._tensor.data[tokens])
        return rows if self._factor == 1 else rows * self._factor
