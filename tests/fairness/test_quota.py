"""Quotas: no owner can take what keeps the others going."""

from hypothesis import given
from hypothesis import strategies as st

from forefront.fairness.quota import Quota


def fill(quota: Quota, owner: str) -> int:
    """Take single units for `owner` until no more fit; how many it holds."""
    while quota.take(owner, 1):
        pass
    return quota.held(owner)


def test_one_owner_holds_half_and_the_next_owners_find_room() -> None:
    quota = Quota(1200)
    assert fill(quota, "a") == 600
    assert fill(quota, "b") == 300
    assert fill(quota, "c") == 150


def test_owners_that_grow_together_hold_the_same() -> None:
    quota = Quota(1200)
    while any([quota.take("a", 1), quota.take("b", 1)]):
        pass
    assert abs(quota.held("a") - quota.held("b")) <= 1
    assert 399 <= quota.held("a") <= 401


def test_reserved_room_is_for_owners_that_must_not_wait() -> None:
    quota = Quota(100)
    fill(quota, "a")
    assert not quota.take("a", 10)
    assert quota.take("admin", 50, reserved=True)
    assert not quota.take("admin", 1, reserved=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 60), st.booleans())))
def test_what_is_free_and_held_adds_up(steps: list[tuple[str, int, bool]]) -> None:
    quota = Quota(100)
    held = dict.fromkeys("abc", 0)
    for owner, amount, back in steps:
        if back:
            amount = min(amount, held[owner])
            if amount:
                quota.give_back(owner, amount)
                held[owner] -= amount
        elif quota.take(owner, amount):
            held[owner] += amount
        assert quota.free == 100 - sum(held.values()) >= 0
        assert {owner: quota.held(owner) for owner in "abc"} == held
