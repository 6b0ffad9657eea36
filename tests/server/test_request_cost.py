"""The number of Python calls for a request has a bound."""

from pathlib import Path

from benchmarks.suites.instructions import CASES, measure

# Measured with Python 3.11: 420 and 940.
_MAXIMUM = (510, 1100)


def test_calls_of_a_request(tmp_path: Path) -> None:
    counts = measure(tmp_path, CASES)
    assert [count.calls for count, most in zip(counts, _MAXIMUM, strict=True) if count.calls > most] == []
