"""msgspec's JSON decoder, with Python's conversion of floating-point numbers.

msgspec takes up to 40 µs for a number near the largest or the smallest double (`1e308`, `5e-324`), and keeps the
interpreter lock for a whole text: 8 MiB of such numbers stop all other threads for 20 s. Python's conversion takes
about 1 µs, and its call from here lets other threads run.
"""

from math import isinf
from typing import Any

import msgspec


def convert_float(text: str) -> float:
    """The number. Raises `ValueError` beyond a double, which the decoder reports with its place."""
    value = float(text)
    if isinf(value):
        raise ValueError("Number out of range")
    return value


_decoder = msgspec.json.Decoder(float_hook=convert_float)


def decode_json(text: bytes | bytearray | str) -> Any:
    """The value of a JSON text. Raises what `msgspec.json.decode` raises."""
    return _decoder.decode(text)
