"""A GGUF file of one or several parts, mapped into memory."""

import math
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from forefront.graph.block_formats import FORMATS, BlockFormat
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.header import Header, TensorEntry, read_header
from forefront.graph.model_file import Tensor, map_file, release_pages

_PART: Final = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
_PARTS: Final = 1000


class GgufFile:
    """Metadata and tensors of the file. Raises `ModelFileError`, and `OSError` for a file that cannot be read.

    `metadata`: numbers, strings and lists of them by key. `tensors`: by name, read-only views into the mapped file.
    """

    def __init__(self, path: Path) -> None:
        self.paths = part_paths(path)
        self.metadata: dict[str, Any] = {}
        self.tensors: dict[str, Tensor] = {}
        self._maps: list[mmap.mmap] = []
        for number, part in enumerate(self.paths):
            content = map_file(part)
            self._maps.append(content)
            header = read_header(content)
            _check_part(header, number, len(self.paths))
            if number == 0:
                self.metadata = header.metadata
            for tensor in _tensors(header, content):
                if tensor.name in self.tensors:
                    raise ModelFileError(f"it has the tensor {tensor.name[:80]!r} twice")
                self.tensors[tensor.name] = tensor

    def release(self) -> None:
        """See `ModelFile.release`."""
        release_pages(self._maps)


def part_paths(path: Path) -> list[Path]:
    """All parts of the model that `path` is one part of, in order."""
    match = _PART.fullmatch(path.name)
    if match is None:
        return [path]
    stem, count = match[1], int(match[3])
    if not 1 <= count <= _PARTS:
        raise ModelFileError(f"its name announces {count} parts, more than are supported")
    paths = [path.with_name(f"{stem}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]
    missing = [part.name for part in paths if not part.is_file()]
    if missing:
        raise ModelFileError(f"it has {count} parts, and {missing[0]} is missing beside it")
    return paths


def _check_part(header: Header, number: int, count: int) -> None:
    declared = header.metadata.get("split.count", 0) or 1
    if declared != count:
        raise ModelFileError(f"its metadata declares {declared!r} parts, its name {count}: keep the names of its parts")
    if count > 1 and header.metadata.get("split.no") != number:
        raise ModelFileError(f"part {number + 1} of {count} is another part by its metadata")


def _tensors(header: Header, content: mmap.mmap) -> Iterator[Tensor]:
    data = np.frombuffer(content, np.uint8)[header.data_start :]
    ends = 0
    for entry in sorted(header.tensors, key=lambda entry: entry.offset):
        kind = _checked_format(entry)
        rows = math.prod(entry.shape[:-1])
        row_size = entry.shape[-1] // kind.values * kind.bytes
        end = entry.offset + rows * row_size
        if entry.offset % header.alignment or entry.offset < ends:
            raise ModelFileError(f"its tensor {entry.name[:80]!r} overlaps another one or is not aligned")
        if end > len(data):
            raise ModelFileError(f"its tensor {entry.name[:80]!r} reaches past its end: the file is cut off or damaged")
        yield Tensor(entry.name, entry.shape, kind, data[entry.offset : end].reshape(rows, row_size))
        ends = end


def _checked_format(entry: TensorEntry) -> BlockFormat:
    kind = FORMATS.get(entry.format)
    if kind is None:
        raise ModelFileError(f"its tensor {entry.name[:80]!r} is stored in the unknown format {entry.format}")
    if min(entry.shape) < 1 or entry.shape[-1] % kind.values:
        shape = " x ".join(map(str, entry.shape))
        raise ModelFileError(f"its tensor {entry.name[:80]!r} of {shape} values does not fit the format {kind.name}")
    return kind
