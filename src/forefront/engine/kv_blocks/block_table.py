"""The KV blocks of one sequence."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_EMPTY = np.zeros(0, np.int32)


class BlockTable:
    """Block indices in the order of the sequence's tokens, in an array that grows by doubling."""

    __slots__ = ("_blocks", "_length")

    def __init__(self, blocks: Sequence[int] = ()) -> None:
        self._blocks, self._length = _EMPTY, 0
        self.extend(blocks)

    def __len__(self) -> int:
        return self._length

    @property
    def array(self) -> npt.NDArray[np.int32]:
        """All blocks [n]. A view, valid until the next change."""
        return self._blocks[: self._length]

    def tolist(self) -> list[int]:
        """All blocks."""
        blocks: list[int] = self.array.tolist()
        return blocks

    def extend(self, blocks: Sequence[int]) -> None:
        """Append blocks."""
        if not blocks:
            return
        end = self._length + len(blocks)
        if end > len(self._blocks):
            grown = np.empty(max(2 * len(self._blocks), end, 8), np.int32)
            grown[: self._length] = self.array
            self._blocks = grown
        self._blocks[self._length : end] = blocks
        self._length = end

    def replace(self, first: int, blocks: Sequence[int]) -> list[int]:
        """Replace the blocks from index `first` on with `blocks`, and return the replaced ones."""
        places = self.array[first : first + len(blocks)]
        replaced: list[int] = places.tolist()
        places[:] = blocks
        return replaced

    def clear(self) -> list[int]:
        """Remove all blocks, and return them."""
        blocks = self.tolist()
        self._blocks, self._length = _EMPTY, 0
        return blocks
