"""How many replicas a model has."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.cluster.routing.replica_state import ReplicaLoad
from forefront.cluster.routing.scaling import ScalingPolicy, ScalingSettings

BUSY = ReplicaLoad(running=64, waiting=64, work=20_000)
IDLE = ReplicaLoad()


def policy(low: int = 0, high: int = 8) -> ScalingPolicy:
    return ScalingPolicy(ScalingSettings(low, high, shrink_seconds=60, idle_seconds=300))


def test_a_request_without_a_replica_starts_one_at_once() -> None:
    scaling = policy()
    assert scaling.target(0, 0, [], 0) == 0
    assert scaling.target(1, 0, [], 1) == 1


def test_a_queue_adds_replicas_at_once() -> None:
    scaling = policy()
    assert scaling.target(0, 1, [IDLE], 0) == 1
    assert scaling.target(1, 1, [BUSY], 0) == 3  # 128 sequences, 45 for each replica
    assert scaling.target(2, 3, [BUSY], 0) == 3  # the others are starting
    assert scaling.target(3, 3, [BUSY, BUSY, BUSY], 100) == 8


def test_long_prompts_count_by_their_tokens() -> None:
    assert policy().target(0, 1, [ReplicaLoad(running=4, waiting=4, work=32_000)], 0) == 3


def test_replicas_are_removed_after_a_quiet_time() -> None:
    scaling = policy()
    targets = {
        now: scaling.target(now, 4, [IDLE] * 4 if now > 10 else [BUSY, IDLE, IDLE, IDLE], 0) for now in range(400)
    }
    assert targets[0] == 4
    assert targets[60] == 4
    assert targets[61] == targets[70] == 3
    assert targets[71] == 1
    assert targets[309] == 1
    assert targets[311] == 0


def test_the_minimum_of_replicas_stays() -> None:
    scaling = policy(low=2)
    assert [scaling.target(now, 2, [IDLE, IDLE], 0) for now in (0, 1000)] == [2, 2]


def test_a_new_policy_keeps_running_replicas() -> None:
    scaling = policy()
    assert scaling.target(0, 5, [IDLE] * 5, 0) == 5
    assert scaling.target(59, 5, [IDLE] * 5, 0) == 5
    assert scaling.target(61, 5, [IDLE] * 5, 0) == 1


def test_silent_replicas_are_not_removed() -> None:
    scaling = policy()
    assert scaling.target(0, 4, [IDLE], 0) == 4
    assert scaling.target(1000, 4, [IDLE], 0) == 3
    assert scaling.target(1001, 4, [BUSY], 0) == 4


@pytest.mark.parametrize(("low", "high", "load"), [(2, 1, 0.7), (-1, 1, 0.7), (0, 0, 0.7), (1, 1, 0.0), (1, 1, 1.1)])
def test_contradictory_settings_are_refused(low: int, high: int, load: float) -> None:
    with pytest.raises(ValueError):
        ScalingSettings(low, high, load)


LOADS = st.builds(ReplicaLoad, running=st.integers(0, 64), waiting=st.integers(0, 500), work=st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 3),
    st.lists(st.tuples(st.floats(0.1, 100), st.lists(LOADS, max_size=6), st.integers(0, 50)), max_size=30),
)
def test_targets_stay_within_bounds_for_any_load(low: int, seconds: list[tuple[float, list[ReplicaLoad], int]]) -> None:
    scaling = policy(low, 6)
    now, current = 0.0, low
    grown_at = now
    for pause, loads, waiting in seconds:
        now += pause
        target = scaling.target(now, current, loads[:current], waiting)
        assert low <= target <= 6
        if waiting:
            assert target >= 1
        if target > current:
            grown_at = now
        if target < current and current <= 6:
            assert now - grown_at > 60
        current = target
