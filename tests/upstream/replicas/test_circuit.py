"""When a circuit opens, admits a trial and closes again."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.upstream.replicas.circuit import Circuit, CircuitPolicy

POLICY = CircuitPolicy(failures=3, pause_seconds=1, max_pause_seconds=8, return_seconds=10)


def make(*, health_checks: bool = False) -> Circuit:
    return Circuit(POLICY, health_checks=health_checks, chance=random.Random(1))


def opened(tenant: str | None = None, *, health_checks: bool = False) -> Circuit:
    """A circuit that opened at 0."""
    circuit = make(health_checks=health_checks)
    for _ in range(3):
        circuit.fail(0, tenant, trial=False)
    return circuit


def test_opens_after_consecutive_failures() -> None:
    circuit = make()
    circuit.fail(0, None, trial=False)
    circuit.fail(0, None, trial=False)
    circuit.answered()
    circuit.fail(0, None, trial=False)
    circuit.fail(0, None, trial=False)
    assert circuit.passes("a")
    circuit.fail(0, None, trial=False)
    assert not circuit.passes("a")
    assert circuit.state(0.5) == "open"
    assert not circuit.admits_trial(0.5)
    assert 0 < circuit.wait(0.5) < 1


def test_one_trial_at_a_time_closes_it() -> None:
    circuit = opened()
    assert circuit.state(1.2) == "half_open"
    assert circuit.admits_trial(1.2)
    circuit.begin_trial()
    assert not circuit.admits_trial(1.2)
    circuit.leave_trial()
    assert circuit.admits_trial(1.2)
    circuit.begin_trial()
    circuit.answering(1.5, trial=True)
    assert circuit.state(1.5) == "closed"
    assert circuit.openings == 1


def test_load_returns_gradually_after_recovery() -> None:
    circuit = opened()
    assert make().share(0) == 1
    circuit.begin_trial()
    circuit.answering(100, trial=True)
    shares = [circuit.share(100 + second) for second in range(12)]
    assert shares[0] == POLICY.first_share
    assert shares == sorted(shares)
    assert shares[5] == pytest.approx(0.55)
    assert shares[10:] == [1, 1]


def test_pauses_grow_with_failed_trials_up_to_a_maximum() -> None:
    circuit, now, pauses = opened(), 0.0, []
    for _ in range(6):
        pauses.append(circuit.wait(now))
        now += circuit.wait(now)
        circuit.begin_trial()
        circuit.fail(now, None, trial=True)
    for pause, expected in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True):
        assert pause == pytest.approx(expected, rel=0.2)
    assert circuit.openings == 1


def test_a_failure_soon_after_a_trial_opens_it_again() -> None:
    circuit = opened()
    circuit.begin_trial()
    circuit.answering(2, trial=True)
    circuit.fail(2.1, None, trial=False)
    assert not circuit.passes("a")
    assert circuit.openings == 2


def test_a_complete_answer_after_a_trial_ends_the_probation() -> None:
    circuit = opened()
    circuit.begin_trial()
    circuit.answering(2, trial=True)
    circuit.answered()
    circuit.fail(2.1, None, trial=False)
    assert circuit.passes("a")


def test_one_tenants_failures_do_not_take_a_replica_from_others() -> None:
    circuit = opened("bad")
    assert not circuit.passes("bad")
    assert circuit.passes("good")
    circuit.fail(0.1, "good", trial=False)
    circuit.answered()
    circuit.fail(0.1, "good", trial=False)
    circuit.fail(0.1, "good", trial=False)
    assert circuit.passes("good")
    circuit.fail(0.1, "good", trial=False)
    assert not circuit.passes("good")


def test_failures_of_several_tenants_open_it_for_all() -> None:
    circuit = make()
    for tenant in ("a", "b", "a"):
        circuit.fail(0, tenant, trial=False)
    assert not circuit.passes("a")
    assert not circuit.passes("c")


def test_lost_connections_wait_for_a_passed_check() -> None:
    circuit = opened(health_checks=True)
    assert circuit.state(1000) == "open"
    circuit.check_failed(1001)
    assert not circuit.admits_trial(1002)
    circuit.check_passed(1003)
    assert circuit.admits_trial(1003)


def test_errors_need_no_passed_check() -> None:
    assert opened("a", health_checks=True).admits_trial(2)


def test_failed_checks_open_it_until_one_passes() -> None:
    circuit = make(health_checks=True)
    circuit.check_failed(0)
    assert circuit.passes("a")
    circuit.check_failed(1)
    assert not circuit.passes("a")
    assert not circuit.admits_trial(100)
    circuit.check_passed(101)
    assert circuit.admits_trial(101)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("fail", "answer", "trial", "leave", "pass", "miss")), st.booleans())))
def test_a_recovered_replica_is_used_again(steps: list[tuple[str, bool]]) -> None:
    """After any steps. At most one trial runs at a time, with a share that is never 0."""
    circuit, now, trying = make(health_checks=True), 0.0, False
    for step, mixed in steps:
        now += 0.3
        tenant = "a" if mixed else None
        if step == "trial" and circuit.admits_trial(now):
            assert not trying
            circuit.begin_trial()
            trying = True
        elif step == "leave" and trying:
            circuit.leave_trial()
            trying = False
        elif step == "fail":
            circuit.fail(now, tenant, trial=trying)
            trying = False
        elif step == "answer" and (trying or circuit.passes("a")):
            circuit.answering(now, trial=trying)
            circuit.answered()
            trying = False
        elif step == "pass":
            circuit.check_passed(now)
        elif step == "miss":
            circuit.check_failed(now)
        assert 0 < circuit.share(now) <= 1
        assert not circuit.admits_trial(now) or circuit.state(now) == "half_open"
    if trying:
        circuit.leave_trial()
    now += POLICY.max_pause_seconds * 1.2
    circuit.check_passed(now)
    assert circuit.passes("a") or circuit.admits_trial(now)
