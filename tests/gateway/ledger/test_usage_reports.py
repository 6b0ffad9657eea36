"""Reports of any size, in little memory, on both databases."""

import itertools
import tracemalloc

import msgspec
import pytest

from forefront.gateway.ledger.settlement import LedgerRow, write_rows
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import daily_usage
from forefront.wire.admin.parse import ReportQuery
from forefront.wire.admin.records import UsageReport

_ROWS = 20_000
_EVERYTHING = ReportQuery(by=["day", "key", "project", "model"])


@pytest.fixture
def usage(database: Database) -> UsageReports:
    """Reports on a store with many sums."""
    rows = [
        (f"2026-{month:02}-{day:02}", f"key_{key}", "shop", "m", 1, 10, 5, 2, 0, 10**9, 0)
        for month, day, key in itertools.product(range(1, 11), range(1, 21), range(100))
    ]
    with database.write() as connection:
        BulkInsert(daily_usage).insert(connection, rows)
    return UsageReports(database)


def test_a_report_of_any_size_takes_little_memory(usage: UsageReports) -> None:
    sizes = []
    tracemalloc.start()
    try:
        usage.write(lambda piece: sizes.append(len(piece)), _EVERYTHING)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(sizes) == _ROWS + 2
    assert held < sum(sizes)  # a list of the rows takes ten times as much
    assert held < 5_000_000


def test_rows_are_written_as_one_report(usage: UsageReports) -> None:
    for wanted, count in ((_EVERYTHING, _ROWS), (ReportQuery(key="key_7"), 200), (ReportQuery(key="none"), 0)):
        pieces: list[bytes] = []
        usage.write(pieces.append, wanted)
        report = msgspec.json.decode(b"".join(pieces), type=UsageReport)
        assert report.data == list(usage.rows(wanted))
        assert (len(report.data), report.by) == (count, wanted.by)


def test_sums_count_the_requests_with_estimated_tokens(database: Database) -> None:
    rows = [
        LedgerRow(f"c{n}", "k", "p", "m", "completed", "stop", 10, 0, 5, 0, 0, 1.0, 1.0, 1.0, estimated=n < 2)
        for n in range(5)
    ]
    with database.write() as connection:
        write_rows(connection, rows[:3], retry=False)
        write_rows(connection, rows, retry=True)
    [row] = UsageReports(database).rows(ReportQuery(by=["model"]))
    assert (row.requests, row.estimated_requests) == (5, 2)
