"""Randomly damaged files, and the required behaviour of a reader of tensors."""

import struct
import tracemalloc
from collections.abc import Callable, Mapping

import numpy as np
from hypothesis import strategies as st

from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import Tensor

MUTATION = st.tuples(
    st.sampled_from(["set", "number", "cut", "insert"]), st.integers(0, 2000), st.integers(0, 2**64 - 1)
)


def mutated(content: bytes, mutations: list[tuple[str, int, int]]) -> bytes:
    damaged = bytearray(content)
    for kind, place, value in mutations:
        place %= max(1, len(damaged))
        if kind == "set":
            damaged[place : place + 1] = bytes([value % 256])
        elif kind == "number":
            damaged[place : place + 8] = struct.pack("<Q", value)
        elif kind == "cut":
            del damaged[place : place + value % 64]
        else:
            damaged[place:place] = struct.pack("<Q", value)
    return bytes(damaged)


def read_or_refused(read: Callable[[], Mapping[str, Tensor]]) -> None:
    """All tensors are read and dequantised, or the file is refused in one line, with little memory in either case."""
    tracemalloc.start()
    try:
        for tensor in read().values():
            if tensor.format.number or tensor.format.quantized:
                with np.errstate(all="ignore"):
                    tensor.floats()
    except ModelFileError as error:
        assert "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 << 20
