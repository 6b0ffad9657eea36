"""A histogram counts exactly, before and after its values are counted together."""

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.observability.histogram import Histogram

BOUNDS = (0.001, 0.1, 1.0, 10.0)


@settings(max_examples=30)
@given(st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 100)), max_size=50), st.integers(1, 60))
def test_buckets_are_cumulative_and_inclusive(values: list[float], times: int) -> None:
    histogram = Histogram(BOUNDS)
    for number in range(times):
        for value in values:
            histogram.observe(value)
        if number == times // 2:
            histogram.buckets()  # a scrape in between changes nothing
    buckets = histogram.buckets()
    assert [name for name, _ in buckets] == ["0.001", "0.1", "1.0", "10.0", "+Inf"]
    for bound, (_, count) in zip((*BOUNDS, math.inf), buckets, strict=True):
        assert count == times * sum(value <= bound for value in values)
    assert all(lower <= upper for (_, lower), (_, upper) in pairwise(buckets))
    assert histogram.count == times * len(values)
    assert math.isclose(histogram.sum, times * math.fsum(values), rel_tol=1e-9, abs_tol=1e-9)


def test_memory_is_bounded() -> None:
    histogram = Histogram(BOUNDS)
    for _ in range(100_000):
        histogram.observe(0.5)
    assert len(histogram._pending) < 2000
    assert histogram.count == 100_000
