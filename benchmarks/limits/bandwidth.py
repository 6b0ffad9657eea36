"""The speed at which all cores together read memory."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

_BYTES: Final = 512 * 2**20
_ROUNDS: Final = 6
# Reductions that do little per value and release the interpreter lock; which one is fastest depends on the processor.
_KERNELS: Final[tuple[Callable[[Any], Any], ...]] = (
    lambda part: part.max(),
    lambda part: part.sum(),
    lambda part: np.dot(part, part),
)


def read_bandwidth(threads: int | None = None) -> float:
    """Bytes per second: the best of several kernels and rounds over an array far larger than the caches."""
    threads = threads or os.cpu_count() or 1
    array = np.ones(_BYTES // 4, np.float32)
    parts = np.array_split(array, threads)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for kernel in _KERNELS:
            for _ in range(_ROUNDS):
                begin = time.perf_counter()
                list(pool.map(kernel, parts))
                best = max(best, _BYTES / (time.perf_counter() - begin))
    return best
