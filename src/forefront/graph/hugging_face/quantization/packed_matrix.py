"""A matrix of codes with scales, as a tensor whose rows are put together when they are packed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from forefront.graph.block_bits import Bytes
from forefront.graph.block_formats import BlockFormat, Quantized
from forefront.graph.hugging_face.quantization.packed_codes import Array, Rows, module_error
from forefront.graph.model_file import Tensor

_MULTIPLE: Final = 32


@dataclass(frozen=True, slots=True)
class PackedMatrix:
    """A matrix [outputs, inputs] as it is stored. The value of a code is `scale * (code - zero)`, or `scale * code +
    minimum`.

    `codes(rows)`: from 0 to 2^bits - 1 [rows, inputs]. `scales(rows)`, `zeros(rows)`, `minimums(rows)`: [rows, groups];
    without zeros and minimums each zero is 2^(bits - 1). `input_groups`: the group of each input, None for neighbours.
    """

    name: str
    bits: int
    shape: tuple[int, int]
    groups: int
    codes: Callable[[Rows], Bytes]
    scales: Callable[[Rows], Array]
    zeros: Callable[[Rows], Array] | None = None
    input_groups: Array | None = None
    minimums: Callable[[Rows], Array] | None = None

    @property
    def is_symmetric(self) -> bool:
        """Whether its codes have no zeros of their own."""
        return self.zeros is None and self.minimums is None


def packed_tensor(module: PackedMatrix) -> Tensor:
    """The module's matrix. Its inputs are ordered by their groups."""
    inputs = module.shape[1]
    if module.groups < 1 or inputs % module.groups or inputs // module.groups % _MULTIPLE:
        raise module_error(
            module.name, f"{inputs} inputs in {module.groups} groups, which are not multiples of {_MULTIPLE}"
        )
    size, order = inputs // module.groups, None
    if module.input_groups is not None and (module.input_groups != np.arange(inputs) // size).any():
        counts = np.bincount(np.clip(module.input_groups, 0, module.groups), minlength=module.groups)
        if module.input_groups.min() < 0 or (counts != size).any():
            raise module_error(module.name, f"groups of other sizes than {size}")
        order = np.argsort(module.input_groups, kind="stable")
    kind = _block_format(module, size)
    return Tensor(f"{module.name}.weight", module.shape, kind, _MatrixRows(module, kind, order), order)


def _block_format(module: PackedMatrix, group: int) -> BlockFormat:
    """Blocks of a scale in float32, a minimum in float32 unless the module is symmetric, and a byte for each code."""
    start = 4 if module.is_symmetric else 8
    middle = np.uint8(1 << (module.bits - 1))

    def codes(raw: Bytes) -> Array:
        stored = raw[..., start:]
        return (stored - middle).view(np.int8) if module.is_symmetric else stored

    def scales(raw: Bytes) -> tuple[Array, Array | None]:
        return raw[..., :4].view("<f4"), None if module.is_symmetric else raw[..., 4:8].view("<f4")

    return BlockFormat(f"INT{module.bits}", group, start + group, Quantized(module.bits, codes, scales, group))


class _MatrixRows:
    """Rows of a module in blocks, made when they are selected."""

    def __init__(self, module: PackedMatrix, kind: BlockFormat, order: Rows | None) -> None:
        self._module, self._kind, self._order = module, kind, order
        self.shape: tuple[int, ...] = (module.shape[0], module.groups * kind.bytes)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, selected: slice | Rows) -> Bytes:
        """Bytes [rows, bytes of a row]."""
        rows = np.arange(len(self))[selected]
        codes, scales = self._module.codes(rows), self._module.scales(rows).astype("<f4")
        parts = [scales]
        if self._module.zeros is not None:
            parts.append(-scales * self._module.zeros(rows).astype("<f4"))
        elif self._module.minimums is not None:
            parts.append(self._module.minimums(rows).astype("<f4"))
        blocks = np.empty((*scales.shape, self._kind.bytes), np.uint8)
        for place, part in enumerate(parts):
            blocks[..., 4 * place : 4 * place + 4] = np.ascontiguousarray(part)[..., None].view(np.uint8)
        ordered = codes if self._order is None else codes.take(self._order, axis=1)
        blocks[..., 4 * len(parts) :] = ordered.reshape(*scales.shape, -1)
        return blocks.reshape(len(rows), -1)
