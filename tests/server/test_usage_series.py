"""Series of the last hour: groups beyond the largest are added up, and nothing is lost."""

import pytest

from forefront.gateway.ledger.settlement import LedgerRow
from forefront.gateway.ledger.usage_history import MAX_GROUPS, OTHER, UsageFilter
from forefront.observability.request_history import INTERVAL, INTERVALS, RequestHistory
from forefront.server.usage_series import hour_history

START = 1_800_000_000.0


@pytest.fixture
def history() -> RequestHistory:
    """Key number n has n requests, each of which takes n seconds to its first token; the last key only fails."""
    now = START
    history = RequestHistory(lambda: now)
    for number in range(1, 2 * MAX_GROUPS):
        for _ in range(number):
            now += INTERVAL * INTERVALS / (MAX_GROUPS * 2 * MAX_GROUPS)
            fields = ("m", "completed", "stop", 10, 4, 5, 0, 10**9, now - 1, now, now)
            row = LedgerRow("id", f"key_{number}", f"p{number % 2}", *fields)  # type: ignore[arg-type]
            history.add(row, None, float(number), 0.01)
    history.add_refused(LedgerRow("id", "key_bad", "p0", *fields), "insufficient_credits")  # type: ignore[arg-type]
    return history


def test_the_largest_groups_and_the_rest(history: RequestHistory) -> None:
    answer = hour_history(history.snapshot(), "key", UsageFilter(), START + INTERVAL * INTERVALS - 1)
    total = 2 * MAX_GROUPS * (2 * MAX_GROUPS - 1) // 2
    assert list(answer.groups) == [f"key_{n}" for n in range(2 * MAX_GROUPS - 1, MAX_GROUPS - 1, -1)] + [OTHER]
    assert sum(answer.total.requests) == total
    assert sum(sum(series.requests) for series in answer.groups.values()) == total
    assert sum(answer.groups[OTHER].errors) == sum(answer.total.errors) == 1
    assert sum(answer.total.cost) == pytest.approx(total)
    assert len(answer.total.requests) == len(answer.running) == INTERVALS
    first_token = answer.groups["key_15"].time_to_first_token
    assert {value for value in first_token.mean if value is not None} == {15.0}
    assert all(value == pytest.approx(15, rel=0.051) for value in first_token.p95 if value is not None)


def test_a_project_alone(history: RequestHistory) -> None:
    answer = hour_history(history.snapshot(), "project", UsageFilter(project="p1"), START + INTERVAL * INTERVALS - 1)
    assert set(answer.groups) == {"p1"}
    assert answer.groups["p1"] == answer.total


def test_the_history_is_empty_after_an_hour(history: RequestHistory) -> None:
    answer = hour_history(history.snapshot(), "model", UsageFilter(), START + 3 * INTERVAL * INTERVALS)
    assert (sum(answer.total.requests), len(answer.total.requests)) == (0, INTERVALS)
