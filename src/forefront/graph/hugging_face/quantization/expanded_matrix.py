"""A matrix of codes for which the kernels have no type, as a tensor of float32 rows that are made when they are
packed."""

from collections.abc import Callable
from typing import Final

import numpy as np

from forefront.graph.block_bits import Bytes
from forefront.graph.block_formats import BlockFormat, Floats
from forefront.graph.hugging_face.quantization.packed_codes import Rows
from forefront.graph.model_file import Tensor

# Eight bits in groups of 32 lose less precision than the original quantisation, and take as much memory.
_BITS: Final = 8


def expanded_tensor(name: str, kind: str, shape: tuple[int, int], values: Callable[[Rows], Floats]) -> Tensor:
    """The matrix `name` [outputs, inputs] in the format `kind`. `values(rows)`: float32 numbers [rows, inputs]."""
    return Tensor(name, shape, BlockFormat(kind, 1, 4, number="<f4", rounded_bits=_BITS), _ExpandedRows(shape, values))


class _ExpandedRows:
    """See `MatrixRows`."""

    def __init__(self, shape: tuple[int, int], values: Callable[[Rows], Floats]) -> None:
        self._values = values
        self.shape: tuple[int, ...] = (shape[0], 4 * shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, selected: slice | Rows) -> Bytes:
        """Bytes [rows, bytes of a row]."""
        return np.ascontiguousarray(self._values(np.arange(len(self))[selected]), "<f4").view(np.uint8)
