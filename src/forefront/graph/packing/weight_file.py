"""The file that packed matrices are kept in and mapped from.

Constants in a mapped file cost no private memory: the system drops their pages when they are not needed, and
processes that serve the same model share them. The file is written once for each model, in the order in which the graph
uses its matrices; `weights.json` beside it has the position of each.
"""

import json
import math
import mmap
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import release_pages
from forefront.graph.packing.layout import BITS, Layout, Packed

_DATA: Final = "weights.bin"
_INDEX: Final = "weights.json"
_ALIGNMENT: Final = 64
# The position of an array: offset in bytes, NumPy's type, shape.
Place = tuple[int, str, tuple[int, ...]]


class StaleWeightsError(ModelFileError):
    """A complete file has other matrices than the graph needs: another version of the program wrote it."""

    def __init__(self) -> None:
        super().__init__("its packed weights are from another version of the program")


class WeightFile:
    """Packed matrices by name, in `directory`. A complete file is read; otherwise it is written, until `finish`. Raises
    `OSError`, and `StaleWeightsError` for an index in another form."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places: dict[str, list[Place | None]] = {}
        self._layouts: dict[str, Layout] = {}
        # OpenVINO does not keep the memory of its constants alive.
        self._maps: list[mmap.mmap] = []
        self._end = 0
        self.complete = is_complete(directory)
        if self.complete:
            self._read_index()
        self._file = (directory / _DATA).open("rb" if self.complete else "w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def matrix(
        self, name: str, layout: Layout, rows: int, inputs: int, fill: Callable[["MatrixWriter"], None]
    ) -> tuple[Layout, Packed]:
        """The matrix of that name. A new one is reserved first, in that layout, and `fill` writes its rows. Raises
        `OSError`, the errors of `fill`, and `StaleWeightsError` for a complete file without this matrix."""
        if self.complete:
            self._check(name, layout, rows, inputs)
        elif name not in self._places:
            places = self._reserve(layout, rows, inputs)
            fill(MatrixWriter(self._file.fileno(), places))
            self._places[name], self._layouts[name] = places, layout
        codes, scale, minimum = (place and self._view(place) for place in self._places[name])
        assert codes is not None
        return self._layouts[name], Packed(codes, scale, minimum)

    def finish(self) -> None:
        """All matrices have been written. Raises `OSError`."""
        if not self.complete:
            matrices = {
                name: {"layout": asdict(self._layouts[name]), "arrays": places} for name, places in self._places.items()
            }
            index = {"size": self._end, "matrices": matrices}
            (self._directory / _INDEX).write_text(json.dumps(index))

    def release(self) -> None:
        """Release pages that have been read to the system, which reads them again when needed."""
        release_pages(self._maps)

    def _read_index(self) -> None:
        try:
            index = json.loads((self._directory / _INDEX).read_text())
            self._end = index["size"]
            for name, entry in index["matrices"].items():
                self._layouts[name] = Layout(**entry["layout"])
                self._places[name] = [place and (place[0], place[1], tuple(place[2])) for place in entry["arrays"]]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise StaleWeightsError from None

    def _check(self, name: str, layout: Layout, rows: int, inputs: int) -> None:
        places = self._places.get(name, [])
        stored = [place and (place[1], place[2]) for place in places]
        if self._layouts.get(name) != layout or stored != _arrays(layout, rows, inputs):
            raise StaleWeightsError
        if not all(self._contains(place) for place in places if place):
            raise StaleWeightsError

    def _contains(self, place: Place) -> bool:
        offset, kind, shape = place
        last = self._end - math.prod(shape) * np.dtype(kind).itemsize
        return type(offset) is int and 0 <= offset <= last and offset % _ALIGNMENT == 0

    def _reserve(self, layout: Layout, rows: int, inputs: int) -> list[Place | None]:
        """Places for codes, scales and minima at the end of the file, which then reaches beyond them."""
        places: list[Place | None] = []
        for array in _arrays(layout, rows, inputs):
            places.append(array and (self._end, *array))
            if array:
                kind, shape = array
                self._end += math.prod(shape) * np.dtype(kind).itemsize
                self._end += -self._end % _ALIGNMENT
        os.ftruncate(self._file.fileno(), self._end)
        return places

    def _view(self, place: Place) -> npt.NDArray[Any]:
        offset, kind, shape = place
        count = int(np.prod(shape))
        end = offset + count * np.dtype(kind).itemsize
        if self.complete and self._maps:
            start = 0
        else:
            # A complete file is mapped once. While it grows, each array gets its own mapping.
            start = 0 if self.complete else offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
            size = 0 if self.complete else end - start
            self._maps.append(mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ, offset=start))
        return np.frombuffer(self._maps[-1], kind, count, offset - start).reshape(shape)


class MatrixWriter:
    """Writes rows of one matrix at their places. Thread-safe."""

    def __init__(self, descriptor: int, places: list[Place | None]) -> None:
        self._descriptor = descriptor
        self._places = places

    def write(self, first: int, packed: Packed) -> None:
        """The rows from the number `first` on. Raises `OSError`."""
        for place, array in zip(self._places, (packed.codes, packed.scale, packed.minimum), strict=True):
            if place is not None and array is not None:
                offset = place[0]
                content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
                self._write(content.data, offset + first * (content.nbytes // len(array)))

    def _write(self, content: memoryview, offset: int) -> None:
        while content:
            count = os.pwrite(self._descriptor, content, offset)
            content, offset = content[count:], offset + count


def _arrays(layout: Layout, rows: int, inputs: int) -> list[tuple[str, tuple[int, int]] | None]:
    """NumPy's type and shape of the codes, scales and minima of a matrix."""
    arrays: list[tuple[str, tuple[int, int]] | None] = [("|u1", (rows, inputs * BITS[layout.element] // 8)), None, None]
    if layout.group:
        scales = ("<f4", (rows, inputs // layout.group))
        arrays[1:] = [scales, scales if layout.has_minimum else None]
    return arrays


def is_complete(directory: Path) -> bool:
    """Whether a weight file was completely written and has its full length."""
    try:
        index = json.loads((directory / _INDEX).read_text())
        return bool(index["size"] == (directory / _DATA).stat().st_size)
    except (OSError, ValueError, KeyError, TypeError):
        return False
