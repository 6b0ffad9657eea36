"""The header of a GGUF file (version 2 or 3, little-endian): its metadata and where its tensors lie.

Every count, length and offset is checked against the file's size before it is followed. Values take memory in
proportion to their bytes in the file; the gguf library makes an object of 400 bytes for each byte of an array.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

_SCALARS: Final = {
    **{0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4"},
    **{6: "<f4", 7: "?", 10: "<u8", 11: "<i8", 12: "<f8"},
}
_TEXT: Final = 8
_ARRAY: Final = 9
_DEPTH: Final = 4
_DIMENSIONS: Final = 4
# By the number that a file has for a kind: values in a block, and bytes of a block.
_QUANT_SIZES: Final = {int(kind): (kind, sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}


class HeaderError(ValueError):
    """The header contradicts itself or the file's size, or has a number that cannot be meant."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies: `shape` has the innermost dimension first, `start` and `size` are bytes of the file."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """The metadata by key, and the tensors. Arrays of numbers are numpy arrays, arrays of texts lists."""

    values: dict[str, Any]
    tensors: list[TensorInfo]


def read_header(path: Path) -> Header:
    """Read metadata and tensor table. Raises `HeaderError`; time and memory are linear in the file's size."""
    if path.stat().st_size < 24:
        raise HeaderError("it is shorter than a header")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _Reader(content).header()


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._place = 4  # behind the magic

    def header(self) -> Header:
        version = self._number("<I")
        if version not in (2, 3):
            raise HeaderError(f"its version is {version}; 2 and 3 are known")
        tensor_count, value_count = self._number("<Q"), self._number("<Q")
        values: dict[str, Any] = {}
        for _ in range(value_count):
            key = self._text()
            if key in values:
                raise HeaderError(f"it has two values of {key[:80]!r}")
            values[key] = self._value(self._number("<I"), 0)
        entries = [self._tensor() for _ in range(self._within(tensor_count, 24))]
        return Header(values, self._placed(entries, values.get("general.alignment", 32)))

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _SCALARS:
            return self._numbers(kind, 1)[0].item()
        if kind == _TEXT:
            return self._text()
        if kind != _ARRAY or depth >= _DEPTH:
            raise HeaderError("it has a field of an unknown kind")
        inner, count = self._number("<I"), self._number("<Q")
        if inner in _SCALARS:
            return self._numbers(inner, count)
        return [self._value(inner, depth + 1) for _ in range(self._within(count, 8))]

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name, dimensions = self._text(), self._number("<I")
        if not 1 <= dimensions <= _DIMENSIONS:
            raise HeaderError(f"its tensor {name[:80]!r} has {dimensions} dimensions")
        return name, tuple(self._number("<Q") for _ in range(dimensions)), self._number("<I"), self._number("<Q")

    def _placed(self, entries: list[tuple[str, tuple[int, ...], int, int]], alignment: Any) -> list[TensorInfo]:
        """The tensors with their places in the file. They lie behind the header, and do not overlap."""
        if not isinstance(alignment, int) or not 0 < alignment <= 2**20 or alignment & (alignment - 1):
            raise HeaderError(f"its alignment is {alignment!r:.80}, which is no power of two")
        begin = -(-self._place // alignment) * alignment
        tensors = []
        for name, shape, number, offset in entries:
            if number not in _QUANT_SIZES:
                raise HeaderError(f"its tensor {name[:80]!r} is of the unknown kind {number}")
            kind, (block, size) = _QUANT_SIZES[number]
            if 0 in shape or shape[0] % block:
                raise HeaderError(f"its tensor {name[:80]!r} cannot have the dimensions {list(shape)}")
            tensors.append(TensorInfo(name, shape, kind, begin + offset, math.prod(shape) // block * size))
        end = begin
        for tensor in sorted(tensors, key=lambda tensor: tensor.start):
            if tensor.start < end or tensor.start + tensor.size > len(self._content):
                raise HeaderError(f"its tensor {tensor.name[:80]!r} is not within the file, or overlaps another")
            end = tensor.start + tensor.size
        if len({tensor.name for tensor in tensors}) < len(tensors):
            raise HeaderError("it has two tensors of one name")
        return tensors

    def _numbers(self, kind: int, count: int) -> Any:
        form = np.dtype(_SCALARS[kind])
        start = self._advance(count * form.itemsize)
        return np.frombuffer(self._content[start : self._place], form)

    def _text(self) -> str:
        size = self._number("<Q")
        start = self._advance(size)
        return self._content[start : self._place].decode(errors="replace")

    def _number(self, form: str) -> int:
        start = self._advance(struct.calcsize(form))
        number: int = struct.unpack_from(form, self._content, start)[0]
        return number

    def _within(self, count: int, least: int) -> int:
        """`count`, if so many things of `least` bytes each can still follow."""
        if count * least > len(self._content) - self._place:
            raise HeaderError("its header claims more than is in the file")
        return count

    def _advance(self, size: int) -> int:
        """Pass over `size` bytes; where they begin."""
        start = self._place
        self._place += self._within(size, 1)
        return start
