"""The file that packed matrices are kept in and mapped from.

Constants in a mapped file cost no memory of their own: the system drops their pages when they are not needed, and
processes that serve the same model share them. The file is written once for each model, in the order in which the graph
uses its matrices; `weights.json` beside it says where each one is.
"""

import json
import mmap
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from forefront.graph.packed import Layout, Packed

_DATA: Final = "weights.bin"
_INDEX: Final = "weights.json"
_ALIGNMENT: Final = 64
# Where an array is: offset in bytes, NumPy's type, shape.
Place = tuple[int, str, tuple[int, ...]]


class WeightFile:
    """Packed matrices by name, in `directory`. A complete file is read; otherwise it is written, until `finish`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places: dict[str, list[Place | None]] = {}
        self._layouts: dict[str, Layout] = {}
        # OpenVINO does not keep the memory of its constants alive.
        self._maps: list[mmap.mmap] = []
        self.complete = is_complete(directory)
        if self.complete:
            index = json.loads((directory / _INDEX).read_text())
            for name, entry in index["matrices"].items():
                self._layouts[name] = Layout(**entry["layout"])
                self._places[name] = [place and (place[0], place[1], tuple(place[2])) for place in entry["arrays"]]
        self._file = (directory / _DATA).open("rb" if self.complete else "w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def matrix(self, name: str, make: Callable[[], tuple[Layout, Iterable[Packed]]]) -> tuple[Layout, Packed]:
        """The matrix of that name, written first if it is new. Raises `OSError`, and the errors of `make`."""
        if name not in self._places:
            layout, chunks = make()
            self._places[name] = self._write(chunks)
            self._layouts[name] = layout
        codes, scale, minimum = (place and self._view(place) for place in self._places[name])
        assert codes is not None
        return self._layouts[name], Packed(codes, scale, minimum)

    def finish(self) -> None:
        """All matrices have been written. Raises `OSError`."""
        if not self.complete:
            self._file.flush()
            matrices = {
                name: {"layout": asdict(self._layouts[name]), "arrays": places} for name, places in self._places.items()
            }
            index = {"size": self._file.seek(0, 2), "matrices": matrices}
            (self._directory / _INDEX).write_text(json.dumps(index))

    def _write(self, chunks: Iterable[Packed]) -> list[Place | None]:
        start, rows = self._align(), 0
        scales, minima, codes = [], [], None
        for chunk in chunks:
            codes = np.ascontiguousarray(chunk.codes)
            self._file.write(codes.data)
            rows += len(codes)
            scales.append(chunk.scale)
            minima.append(chunk.minimum)
        assert codes is not None
        places: list[Place | None] = [(start, codes.dtype.str, (rows, *codes.shape[1:]))]
        for arrays in (scales, minima):
            whole = [array for array in arrays if array is not None]
            places.append(self._append(np.concatenate(whole)) if whole else None)
        self._file.flush()
        return places

    def _append(self, array: npt.NDArray[Any]) -> Place:
        start = self._align()
        self._file.write(np.ascontiguousarray(array).data)
        return start, array.dtype.str, array.shape

    def _align(self) -> int:
        place = self._file.tell()
        self._file.write(bytes(-place % _ALIGNMENT))
        return self._file.tell()

    def _view(self, place: Place) -> npt.NDArray[Any]:
        offset, kind, shape = place
        count = int(np.prod(shape))
        end = offset + count * np.dtype(kind).itemsize
        if self.complete and self._maps:
            start = 0
        else:
            # A complete file is mapped once. While it grows, each array gets a mapping of its own.
            start = 0 if self.complete else offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
            size = 0 if self.complete else end - start
            self._maps.append(mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ, offset=start))
        return np.frombuffer(self._maps[-1], kind, count, offset - start).reshape(shape)


def is_complete(directory: Path) -> bool:
    """Whether a weight file was written to its end, and is as long as then."""
    try:
        index = json.loads((directory / _INDEX).read_text())
        return bool(index["size"] == (directory / _DATA).stat().st_size)
    except (OSError, ValueError, KeyError, TypeError):
        return False
