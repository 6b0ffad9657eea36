"""Quotas: no owner can take what keeps the others going."""

from hypothesis import given
from hypothesis import strategies as st

from forefront.fairness.quota import NestedQuota, Quota


def fill(quota: Quota, owner: str) -> int:
    """Take single units for `owner` until no more fit; how many it holds."""
    while quota.take(owner, 1):
        pass
    return quota.held(owner)


def test_one_owner_takes_half_and_leaves_room_for_the_next() -> None:
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
def test_free_and_held_units_add_up(steps: list[tuple[str, int, bool]]) -> None:
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


def fill_key(quota: NestedQuota, project: str, key: str) -> int:
    """Take single units for `key` until no more fit; how many."""
    taken = 0
    while quota.take(project, key, 1):
        taken += 1
    return taken


def test_one_key_leaves_room_for_its_projects_other_keys_and_for_other_projects() -> None:
    quota = NestedQuota(1200)
    assert fill_key(quota, "p", "one") == quota.max_per_key == 400
    assert fill_key(quota, "p", "two") > 100
    assert fill_key(quota, "q", "three") > 200
    assert quota.free > 200


def test_released_units_can_be_taken_again() -> None:
    quota = NestedQuota(300)
    for _ in range(3):
        taken = fill_key(quota, "p", "one")
        quota.give_back("p", "one", taken)
    assert taken == 100
    assert quota.free == 300


def test_full_means_that_no_owner_can_take_more() -> None:
    quota = NestedQuota(300)
    fill_key(quota, "p", "one")
    assert not quota.full(10)
    for number in range(100):
        fill_key(quota, f"p{number}", f"k{number}")
    assert quota.full(10)
    assert quota.take("admin", "admin", quota.free, reserved=True)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 60), st.booleans())))
def test_nested_holdings_add_up_and_leave_room_for_other_projects(steps: list[tuple[str, int, bool]]) -> None:
    """Keys a and b are of one project, c and d of another."""
    quota, held = NestedQuota(100), dict.fromkeys("abcd", 0)
    for key, amount, back in steps:
        project = "ab" if key in "ab" else "cd"
        if back and held[key]:
            amount = min(amount, held[key])
            quota.give_back(project, key, amount)
            held[key] -= amount
        elif not back and quota.take(project, key, amount):
            held[key] += amount
        assert quota.free == 100 - sum(held.values())
        newcomer = quota.free // 3
        if newcomer:
            assert quota.take("other", "other", newcomer)
            quota.give_back("other", "other", newcomer)
