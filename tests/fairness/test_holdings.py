"""Holdings: the sums, and the owner that holds the most."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.fairness.holdings import Holdings


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(-100, 100)), max_size=200))
def test_the_largest_is_the_largest(steps: list[tuple[str, int]]) -> None:
    holdings, held = Holdings(), dict.fromkeys("abcdef", 0)
    for owner, amount in steps:
        change = max(amount, -held[owner])
        held[owner] += change
        holdings.add(owner, change)
        assert holdings.total == sum(held.values())
        assert {name: holdings.held(name) for name in held} == held
        if holdings.total:
            assert held[holdings.largest()] == max(held.values())


def test_operations_touch_few_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand owners, and ten thousand additions to one of them that is never the largest: a handful of pushes."""
    holdings, pushes = Holdings(), 0
    for number in range(1000):
        holdings.add(f"{number}", 10_000_000)
    push = heapq.heappush

    def counted(heap: list[tuple[int, str]], item: tuple[int, str]) -> None:
        nonlocal pushes
        pushes += 1
        push(heap, item)

    monkeypatch.setattr(heapq, "heappush", counted)
    for _ in range(10_000):
        holdings.add("small", 100)
    assert pushes < 100
    for _ in range(10_000):
        holdings.add(holdings.largest(), -100)
        holdings.add("small", 100)
    assert pushes < 60_000


def test_transient_owners_leave_no_state() -> None:
    holdings = Holdings()
    for number in range(10_000):
        holdings.add(f"{number}", 5)
        holdings.add(f"{number}", -5)
    assert len(holdings._heap) < 200
