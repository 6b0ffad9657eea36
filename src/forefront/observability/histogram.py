"""A histogram that is written and read on one thread, so that it needs no lock."""

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

# Values that are kept until they are counted together, which takes a fraction of the time of counting each.
_BATCH = 1024


class Histogram:
    """Counts observations in buckets. `bounds`: inclusive upper bounds, ascending; one more bucket has none."""

    __slots__ = ("_bounds", "_counts", "_pending", "_pending_times", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._pending: list[float] = []
        self._pending_times: list[float] = []

    def observe(self, value: float) -> None:
        """Add one observation."""
        pending = self._pending
        pending.append(value)
        if len(pending) >= _BATCH:
            self._count_pending()

    def observe_intervals(self, times: list[float]) -> None:
        """Add the differences between consecutive times. Empties the list but for the last one."""
        self._pending_times += times
        self._pending_times.append(math.nan)  # no interval from here to the next times
        del times[:-1]
        if len(self._pending_times) >= _BATCH:
            self._count_pending()

    @property
    def sum(self) -> float:
        """The sum of all observations."""
        self._count_pending()
        return self._sum

    @property
    def count(self) -> int:
        """The number of observations."""
        self._count_pending()
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds in Prometheus' notation, with the number of observations up to each."""
        self._count_pending()
        names = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))

    def _count_pending(self) -> None:
        if not self._pending and not self._pending_times:
            return
        intervals = np.diff(np.array(self._pending_times))
        values = np.concatenate([np.array(self._pending), intervals[~np.isnan(intervals)]])
        self._pending.clear()
        self._pending_times.clear()
        self._sum += float(values.sum())
        added = np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._counts))
        self._counts = [count + more for count, more in zip(self._counts, added.tolist(), strict=True)]
