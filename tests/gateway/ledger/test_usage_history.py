"""Usage over time from the ledger, on both databases: it adds up to the report."""

import time
from datetime import UTC, datetime

import pytest

from forefront.gateway.ledger.settlement import LedgerRow, write_rows
from forefront.gateway.ledger.usage_history import MAX_GROUPS, OTHER, LedgerHistories, LedgerHistory, UsageFilter
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.store.database import Database
from forefront.wire.admin.parse import ReportQuery
from forefront.wire.admin.records import CompletionStatus

NOW = datetime(2026, 6, 15, 12, 10, tzinfo=UTC).timestamp()
KEYS = 12


@pytest.fixture
def filled(database: Database) -> Database:
    """A row for each of 12 keys every 7 hours, the later keys with more, over 40 days."""
    rows = []
    for hours in range(0, 40 * 24, 7):
        for key in range(KEYS):
            for copy in range(key + 1):
                end = NOW - hours * 3600 - 60 - copy
                status: CompletionStatus = "failed" if copy == 5 else "completed"
                name, subject = f"c-{hours}-{key}-{copy}", (f"key_{key}", f"p{key % 2}", "m")
                rows.append(LedgerRow(name, *subject, status, "stop", 10, 4, 5, 1, 3, end - 3, end - 2, end))
    with database.write() as connection:
        write_rows(connection, rows, retry=False)
    return database


def total(history: LedgerHistory, name: str) -> int:
    return sum(getattr(point, name) for points in history.points.values() for point in points.values())


def test_a_month_adds_up_to_the_report(filled: Database) -> None:
    histories = LedgerHistories(filled, lambda: NOW)
    history = histories.month("key", UsageFilter())
    assert (history.length, history.step) == (30, 86_400)
    [report] = UsageReports(filled).rows(ReportQuery(by=["model"], since="2026-05-17"))
    for name in ("requests", "input_tokens", "cached_tokens", "output_tokens"):
        assert total(history, name) == report[name]
    assert total(history, "cost_nanos") == pytest.approx(report.cost * 10**9)
    assert set(history.points) == {f"key_{number}" for number in range(KEYS - MAX_GROUPS, KEYS)} | {OTHER}
    [row] = UsageReports(filled).rows(ReportQuery(by=["key"], since="2026-06-15", key="key_11"))
    assert history.points["key_11"][29].requests == row.requests


def test_a_day_has_latencies_and_failures(filled: Database) -> None:
    history = LedgerHistories(filled, lambda: NOW).day("project", UsageFilter())
    rounds = 4  # 0, 7, 14 and 21 hours ago
    assert total(history, "requests") == rounds * KEYS * (KEYS + 1) // 2
    assert sum(point.failed or 0 for points in history.points.values() for point in points.values()) == rounds * 7
    assert history.points["p1"][history.length - 1].requests == sum(range(2, KEYS + 1, 2))
    point = history.points["p1"][history.length - 1]
    assert point.first_token is not None
    assert point.between_tokens is not None
    assert point.first_token[0] / point.first_token[1] == pytest.approx(1.0, abs=1e-3)
    assert point.between_tokens[0] / point.between_tokens[1] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("range_", ["day", "month"])
def test_one_model_project_or_key(filled: Database, range_: str) -> None:
    read = getattr(LedgerHistories(filled, lambda: NOW), range_)
    assert set(read("key", UsageFilter(key="key_3")).points) == {"key_3"}
    assert set(read("key", UsageFilter(project="p1", model="m")).points) == {f"key_{n}" for n in range(1, KEYS, 2)}
    assert read("model", UsageFilter(model="none")).points == {}


def test_an_empty_store(database: Database) -> None:
    histories = LedgerHistories(database, time.time)
    assert histories.day("model", UsageFilter()).points == histories.month("key", UsageFilter()).points == {}
