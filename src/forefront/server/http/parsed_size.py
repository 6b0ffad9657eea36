"""An upper bound of the memory that a JSON text takes once it is parsed, known before it is parsed.

8 MiB of `[[[[]]]],` become 290 MiB of Python objects, 8 MiB of prose become 8. The difference is in the values outside
of strings, so these are counted while the text arrives.
"""

from typing import Final

# Bytes of CPython objects, measured with tracemalloc over what msgspec makes of a text.
_COMMA: Final = 40  # the pointer to a value, and a number
_STRING: Final = 50
_LIST: Final = 192  # 88, and as much again because lists take the longest to parse for their size
_DICT: Final = 184
_COLON: Final = 44  # an entry of a large dictionary

_FEW: Final = 512  # quotes
_LONG: Final = 16  # bytes between quotes
_FOUR_BYTES: Final = tuple(bytes([lead]) for lead in range(0xF0, 0xF5))  # UTF-8 of what UCS-2 cannot hold


class ParsedSize:
    """Counts the parts of one text. `total` is in bytes."""

    def __init__(self) -> None:
        self._length = 0
        self._objects = 0
        self._width = 1  # bytes of a character
        self._in_string = False
        self._rest = b""  # a backslash at the end of a chunk, whose next byte is in the next
        self._last = b""  # the chunk's last bytes: an escape may be cut

    @property
    def total(self) -> int:
        """The bound for what has been added."""
        return self._length * self._width + self._objects

    def add(self, chunk: bytes) -> None:
        """The next part of the text."""
        self._length += len(chunk)
        self._width = max(self._width, _width(self._last + chunk))
        self._last = (self._last + chunk)[-2:] if len(chunk) < 2 else chunk[-2:]
        chunk = (self._rest + chunk).replace(b"\\\\", b"")
        self._rest = b"\\" if chunk.endswith(b"\\") else b""
        chunk = chunk.removesuffix(b"\\").replace(b'\\"', b"")
        quotes = chunk.count(b'"')
        outside = chunk
        if quotes < _FEW or quotes * _LONG < len(chunk):  # else splitting takes long, for strings that hold little
            outside = b"".join(chunk.split(b'"')[self._in_string :: 2])
        self._in_string ^= bool(quotes % 2)
        self._objects += _STRING * quotes // 2 + _COMMA * outside.count(b",") + _COLON * outside.count(b":")
        self._objects += _LIST * outside.count(b"[") + _DICT * outside.count(b"{")


def small_parsed_size(text: bytes) -> int:
    """A rougher bound for a whole text, for a fraction of the time: parts inside of strings count too."""
    objects = _COMMA * text.count(b",") + _COLON * text.count(b":") + _STRING * text.count(b'"') // 2
    return 4 * len(text) + objects + _LIST * text.count(b"[") + _DICT * text.count(b"{")


def _width(chunk: bytes) -> int:
    """Bytes that a character of a string takes: the widest one decides for all."""
    if chunk.isascii() and b"\\u" not in chunk:
        return 1
    # A surrogate pair in escapes is one character of four bytes.
    wide = any(lead in chunk for lead in _FOUR_BYTES) or b"\\ud" in chunk or b"\\uD" in chunk
    return 4 if wide else 2
