"""The header of a GGUF file: metadata and the table of tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Every count and length is compared with the file's
size before memory is allocated, and the number of values is limited, so that a malicious file costs little.
"""

import mmap
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from forefront.graph.errors import ModelFileError

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_FIELDS: Final = 1 << 16
_TENSORS: Final = 1 << 18
_STRINGS: Final = 1 << 22
_NUMBERS: Final = 1 << 24
_DEPTH: Final = 4
_DIMENSIONS: Final = 4
_NUMBER_TYPES: Final[dict[int, np.dtype[Any]]] = {
    0: np.dtype("u1"),
    1: np.dtype("i1"),
    2: np.dtype("<u2"),
    3: np.dtype("<i2"),
    4: np.dtype("<u4"),
    5: np.dtype("<i4"),
    6: np.dtype("<f4"),
    7: np.dtype("?"),
    10: np.dtype("<u8"),
    11: np.dtype("<i8"),
    12: np.dtype("<f8"),
}
_STRING: Final = 8
_ARRAY: Final = 9
_U32: Final = struct.Struct("<I").unpack_from
_U64: Final = struct.Struct("<Q").unpack_from


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A row of the table of tensors. `shape`: outermost dimension first. `offset`: bytes from the start of the data."""

    name: str
    shape: tuple[int, ...]
    format: int
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """`data_start`: where the tensors' data begins, in bytes from the start of the file."""

    metadata: dict[str, Any]
    tensors: list[TensorEntry]
    data_start: int
    alignment: int


def read_header(content: mmap.mmap) -> Header:
    """Parse the header of a whole file. Raises `ModelFileError`."""
    return _Reader(content).header()


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._size = len(content)
        self._place = 0
        self._strings = _STRINGS
        self._numbers = _NUMBERS

    def header(self) -> Header:
        self._check_version()
        tensor_count = self._count(_TENSORS, 24, "tensors")
        field_count = self._count(_FIELDS, 13, "metadata fields")
        metadata: dict[str, Any] = {}
        for _ in range(field_count):
            key = self._string()
            if key in metadata:
                raise ModelFileError(f"its metadata has the key {_shown(key)} twice")
            metadata[key] = self._value(self._u32(), 0)
        tensors = [self._tensor() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
            raise ModelFileError(f"its general.alignment is {_shown(alignment)}, which is no power of two")
        return Header(metadata, tensors, -(-self._place // alignment) * alignment, alignment)

    def _check_version(self) -> None:
        if self._content[:4] != MAGIC:
            raise ModelFileError("it is not a GGUF file")
        self._place = 4
        version = self._u32()
        if version in _VERSIONS:
            return
        if int.from_bytes(version.to_bytes(4, "little"), "big") in (1, *_VERSIONS):
            raise ModelFileError("it is a big-endian GGUF file; only little-endian files are supported")
        raise ModelFileError(f"it is of GGUF version {version}; versions 2 and 3 are supported")

    def _tensor(self) -> TensorEntry:
        name = self._string()
        dimensions = self._u32()
        if not 1 <= dimensions <= _DIMENSIONS:
            raise ModelFileError(f"its tensor {_shown(name)} has {dimensions} dimensions")
        shape = tuple(self._u64() for _ in range(dimensions))[::-1]
        return TensorEntry(name, shape, self._u32(), self._u64())

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _NUMBER_TYPES:
            return self._number_list(_NUMBER_TYPES[kind], 1)[0]
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY and depth < _DEPTH:
            return self._array(depth + 1)
        raise ModelFileError("its metadata has a value of an unknown type")

    def _array(self, depth: int) -> list[Any]:
        kind = self._u32()
        if kind in _NUMBER_TYPES:
            return self._number_list(_NUMBER_TYPES[kind], self._count(self._numbers, _NUMBER_TYPES[kind].itemsize))
        if kind == _STRING:
            return self._string_list(self._count(self._strings, 8))
        return [self._value(kind, depth) for _ in range(self._count(self._strings, 12))]

    def _number_list(self, kind: np.dtype[Any], count: int) -> list[Any]:
        self._numbers -= count
        start = self._advance(count * kind.itemsize)
        numbers: list[Any] = np.frombuffer(self._content, kind, count, start).tolist()
        return numbers

    def _string(self) -> str:
        length = self._u64()
        start = self._advance(length)
        return str(self._content[start : start + length], "utf-8", "replace")

    def _string_list(self, count: int) -> list[str]:
        """One loop without calls of our own: vocabularies have hundreds of thousands of strings."""
        self._strings -= count
        content, place, last = self._content, self._place, self._size - 8
        strings = []
        for _ in range(count):
            if place > last:
                raise _too_short()
            start = place + 8
            place = start + _U64(content, place)[0]
            strings.append(content[start:place].decode("utf-8", "replace"))
        if place > self._size:
            raise _too_short()
        self._place = place
        return strings

    def _count(self, limit: int, size: int, what: str = "values of an array") -> int:
        """A count of items of at least `size` bytes each."""
        count = self._u64()
        if count * size > self._size - self._place:
            raise _too_short()
        if count > limit:
            raise ModelFileError(f"its header announces {count} {what}, more than are supported")
        return count

    def _u32(self) -> int:
        number: int = _U32(self._content, self._advance(4))[0]
        return number

    def _u64(self) -> int:
        number: int = _U64(self._content, self._advance(8))[0]
        return number

    def _advance(self, size: int) -> int:
        """Step over `size` bytes; returns where they start."""
        start = self._place
        if size > self._size - start:
            raise _too_short()
        self._place = start + size
        return start


def _too_short() -> ModelFileError:
    return ModelFileError("its header claims more than the file holds: the file is cut off or damaged")


def _shown(value: object) -> str:
    """A value from the file, short and on one line."""
    return repr(value)[:80]
