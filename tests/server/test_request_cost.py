"""The number of Python calls for a request has a bound."""

from pathlib import Path

from benchmarks.suites.instructions import CASES, PLAIN_CASES, measure

# Measured with Python 3.11: 434, 972, 87 and 122.
_MAXIMUM = (510, 1100, 110, 150)


def test_calls_of_a_request(tmp_path: Path) -> None:
    counts = measure(tmp_path, [*CASES, *PLAIN_CASES])
    assert [count.calls for count, maximum in zip(counts, _MAXIMUM, strict=True) if count.calls > maximum] == []
