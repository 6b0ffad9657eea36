"""Token ids as bytes: 32-bit integers, lowest byte first."""

import sys
from array import array
from collections.abc import Iterable


def pack_tokens(tokens: Iterable[int]) -> bytes:
    """The bytes of token ids."""
    packed = array("i", tokens)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack_tokens(data: bytes) -> list[int]:
    """The token ids. Raises `ValueError` for a length that is no multiple of four."""
    packed = array("i")
    packed.frombytes(data)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tolist()
