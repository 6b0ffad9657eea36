"""Quantiles of latencies in little memory, with an error of at most 5 %.

Observations are counted in buckets whose bounds grow by a constant factor, as in DDSketch (Masson et al., VLDB 2019).
"""

import math
from collections.abc import Iterable

_GROWTH = 1.1
_LOG_GROWTH = math.log(_GROWTH)
_MIN = 1e-5  # seconds; shorter times count as this


class QuantileSketch:
    """Counts positive values. The quantiles of merged sketches are those of all their values."""

    __slots__ = ("_counts", "count", "sum")

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self._counts: dict[int, int] = {}

    def add(self, value: float) -> None:
        """Add one value."""
        bucket = math.ceil(math.log(max(value, _MIN)) / _LOG_GROWTH)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self.sum += value

    def quantile(self, share: float) -> float | None:
        """The value below which `share` of all values are, from 0 to 1. None without values."""
        rank = share * (self.count - 1)
        for bucket in sorted(self._counts):
            rank -= self._counts[bucket]
            if rank < 0:
                return 2 * _GROWTH**bucket / (_GROWTH + 1)
        return None

    def copy(self) -> "QuantileSketch":
        """A sketch with the same values."""
        return merge_sketches([self])


def merge_sketches(sketches: Iterable[QuantileSketch]) -> QuantileSketch:
    """A sketch of the values of all `sketches`."""
    result = QuantileSketch()
    for sketch in sketches:
        result.count += sketch.count
        result.sum += sketch.sum
        for bucket, count in sketch._counts.items():
            result._counts[bucket] = result._counts.get(bucket, 0) + count
    return result
