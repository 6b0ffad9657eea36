"""A model file of any format: metadata and tensors under GGUF's names."""

import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from forefront.graph.block_formats import BlockFormat
from forefront.graph.errors import ModelFileError


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as stored. `shape`: outermost dimension first. `data`: bytes [rows, bytes of a row], where the last
    dimension of `shape` is a row. `input_order`: for a matrix whose columns are in another order, the input of each.
    """

    name: str
    shape: tuple[int, ...]
    format: BlockFormat
    data: "npt.NDArray[np.uint8] | MatrixRows"
    input_order: npt.NDArray[np.int64] | None = None

    def floats(self) -> npt.NDArray[np.float32]:
        """All values, dequantised."""
        return self.format.floats(self.data[:]).reshape(self.shape)


class MatrixRows(Protocol):
    """Rows of a matrix, computed when selected."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> npt.NDArray[np.uint8]:
        """Bytes [rows, bytes of a row]."""
        ...


class ModelFile(Protocol):
    """`metadata`: numbers, strings and lists of them by GGUF's keys. `tensors`: by GGUF's names."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Settings of the model."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Views into the mapped file."""

    def release(self) -> None:
        """Release pages that have been read to the system, which reads them again when needed."""


def map_file(path: Path) -> mmap.mmap:
    """The whole file, read-only. Raises `ModelFileError` if it is empty, and `OSError`."""
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file cannot be mapped
            raise ModelFileError("it is empty") from None


def release_pages(maps: Iterable[mmap.mmap]) -> None:
    """Release the pages of mapped files to the system, if it supports that."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for content in maps:
            content.madvise(mmap.MADV_DONTNEED)
