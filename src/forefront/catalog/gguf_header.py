"""Whether the header of a GGUF file (version 2 or 3, little-endian) fits into the file.

The gguf library believes every count: of an array that claims 2^40 entries it reads until memory ends, without a word.
"""

import mmap
import struct
from pathlib import Path
from typing import Final

_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT: Final = 8
_ARRAY: Final = 9
_DEPTH: Final = 4


class HeaderError(ValueError):
    """The header contradicts itself or the file's size."""


def check_header(path: Path) -> None:
    """Walk over all fields. Raises `HeaderError`; its time is bounded by the file's size."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _Walk(content).header()


class _Walk:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._place = 4  # behind the magic

    def header(self) -> None:
        version = self._number("<I")
        if version not in (2, 3):
            raise HeaderError(f"its version is {version}; 2 and 3 are known")
        self._number("<Q")  # tensors: the library reads each of them, and stops at the file's end
        for _ in range(self._number("<Q")):
            self._skip_texts(1)
            self._skip(self._number("<I"), 1, 0)

    def _skip(self, kind: int, count: int, depth: int) -> None:
        """Pass over `count` values of that kind."""
        if kind in _SIZES:
            self._advance(count * _SIZES[kind])
        elif kind == _TEXT:
            self._skip_texts(count)
        elif kind == _ARRAY and depth < _DEPTH:
            for _ in range(count):
                self._skip(self._number("<I"), self._number("<Q"), depth + 1)
        else:
            raise HeaderError("it has a field of an unknown kind")

    def _skip_texts(self, count: int) -> None:
        for _ in range(count):
            self._advance(self._number("<Q"))

    def _number(self, form: str) -> int:
        start = self._place
        self._advance(struct.calcsize(form))
        number: int = struct.unpack_from(form, self._content, start)[0]
        return number

    def _advance(self, size: int) -> None:
        self._place += size
        if self._place > len(self._content):
            raise HeaderError("its header claims more than is in the file")
