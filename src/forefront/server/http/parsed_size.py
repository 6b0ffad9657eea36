"""An upper bound of the memory that a JSON text takes once it is parsed, known before it is parsed.

8 MiB of `[[[[]]]],` become 290 MiB of Python objects, 8 MiB of prose become 8. The difference is in the values outside
strings, so these are counted. NumPy counts without the interpreter lock, in a tenth of the time of `bytes.count`.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

# Bytes of CPython objects, measured with tracemalloc over what msgspec makes of a text.
_COMMA: Final = 40  # the pointer to a value, and a number
_STRING: Final = 50
_LIST: Final = 192  # 88, and as much again because lists take the longest to parse for their size
_DICT: Final = 184
_COLON: Final = 130  # an entry of a large dictionary: 44, and twice as much again because it takes the longest to parse
_COSTS: Final = {ord(","): _COMMA, ord(":"): _COLON, ord("["): _LIST, ord("{"): _DICT}
# The bytes that cost nothing beyond their length.
_OTHERS: Final = bytes(set(range(256)).difference(_COSTS, b'"'))

# Members (name and value) of all objects of a text. 180,000 with different names, 40 MiB by the sizes above, hold the
# interpreter lock for 52 ms while they are parsed. 4,096 messages with a call each have 33,000.
MAX_MEMBERS: Final = 40_000

# Digits of a long integer, and what they count: CPython's conversion takes the square of their number.
_DIGITS: Final = 128
_LONG_INTEGER: Final = 2**15

_QUOTE, _BACKSLASH = ord('"'), ord("\\")
# Leading bytes of UTF-8 for what UCS-2 cannot hold.
_FOUR_BYTES: Final = (0xF0, 0xF4)
# Bytes that are counted at a time: the arrays for them stay in the processor's cache.
_PIECE: Final = 2**18

_Bytes = npt.NDArray[np.uint8]
_Flags = npt.NDArray[np.bool_]


def parsed_size(text: bytes | bytearray, most: int, piece: int = _PIECE) -> int:
    """The bound in bytes, or some number above `most` if it is above that, or if the text has more than `MAX_MEMBERS`:
    what lies after is not read then."""
    whole = np.frombuffer(text, np.uint8)
    width, objects, members, in_string, start = 1, 0, 0, False, 0
    while start < len(whole) and len(whole) * width + objects <= most:
        part = whole[start : start + piece]
        width = max(width, _width(whole[max(start - 2, 0) : start + piece]))
        quotes, escapes_next = _unescaped_quotes(part)
        inside = _inside(quotes, in_string)
        in_string ^= bool(np.count_nonzero(quotes) % 2)
        objects += _STRING * int(np.count_nonzero(quotes)) // 2
        counts = {sign: int(np.count_nonzero((part == sign) & ~inside)) for sign in _COSTS}
        objects += sum(cost * counts[sign] for sign, cost in _COSTS.items())
        members += counts[ord(":")]
        if members > MAX_MEMBERS:
            return most + 1
        objects += _LONG_INTEGER * _long_digits(part, inside)
        start += len(part) + escapes_next  # an escaped byte is in a string, and no end of it
    return len(whole) * width + objects


def _long_digits(part: _Bytes, inside: _Flags) -> int:
    """How many blocks of `_DIGITS` bytes consist of digits outside strings: one or more for any 255 digits."""
    blocks = len(part) // _DIGITS
    digits = (part - np.uint8(ord("0")) < 10) & ~inside
    return int(np.count_nonzero(digits[: blocks * _DIGITS].reshape(blocks, _DIGITS).all(axis=1)))


def small_parsed_size(text: bytes | bytearray) -> int:
    """A rougher bound for a small text, without NumPy's fixed cost: parts inside strings count too."""
    signs = text.translate(None, _OTHERS)
    objects = _COMMA * signs.count(b",") + _COLON * signs.count(b":") + _STRING * signs.count(b'"') // 2
    return 4 * len(text) + objects + _LIST * signs.count(b"[") + _DICT * signs.count(b"{")


def _width(part: _Bytes) -> int:
    """Bytes that a character of a string takes: the widest one decides for all."""
    backslashes = part[:-1] == _BACKSLASH
    escapes = backslashes & (part[1:] == ord("u")) if backslashes.any() else backslashes
    ascii_only = not len(part) or part.max() < 0x80
    if ascii_only and not escapes.any():
        return 1
    # A surrogate pair in escapes is one character of four bytes.
    surrogates = escapes[:-1] & ((part[2:] | 0x20) == ord("d"))
    lowest, highest = _FOUR_BYTES
    return 4 if surrogates.any() or ((part >= lowest) & (part <= highest)).any() else 2


def _unescaped_quotes(part: _Bytes) -> tuple[_Flags, bool]:
    """The bytes that are quotes of a string's beginning or end; whether the last byte escapes the one after `part`."""
    quotes, backslashes = part == _QUOTE, part == _BACKSLASH
    if not backslashes.any():
        return quotes, False
    edges = np.flatnonzero(np.diff(backslashes, prepend=False, append=False))
    begins, ends = edges[::2], edges[1::2]  # of runs of backslashes; of an odd one, the last escapes what follows
    escaped = ends[(ends - begins) % 2 == 1]
    escapes_next = bool(len(escaped)) and int(escaped[-1]) == len(part)
    quotes[escaped[: len(escaped) - escapes_next]] = False
    return quotes, escapes_next


def _inside(quotes: _Flags, in_string: bool) -> _Flags:
    """The bytes within a string, its opening quote included. `in_string`: the first byte is, or closes one."""
    packed = np.packbits(quotes, bitorder="little")
    words = np.zeros(-(-len(packed) // 8), np.uint64)
    words.view(np.uint8)[: len(packed)] = packed
    parities = _running_parity(words)
    inside = np.unpackbits(parities.view(np.uint8), count=len(quotes), bitorder="little").view(np.bool_)
    return ~inside if in_string else inside


def _running_parity(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """For each bit, lowest first, the parity of all bits up to it. Steps of doubled width, as in simdjson."""
    words = words.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        words ^= words << np.uint64(shift)
    if len(words) > 1:
        odd = np.bitwise_xor.accumulate(words >> np.uint64(63))[:-1]  # whether the words before have an odd number
        words[1:] ^= np.where(odd, ~np.uint64(0), np.uint64(0))
    return words
