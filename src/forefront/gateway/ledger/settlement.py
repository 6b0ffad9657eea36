"""The statements that write settled completions: their rows, and their sums by day and month.

Statements are built once, since building one takes longer than running it. Per-request records, here and in the rest
of the gateway, are msgspec structs: creating one takes a third of the time of a frozen dataclass.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.tables import completions, daily_usage, monthly_usage
from forefront.wire.admin.records import CompletionStatus

_DAY = 86_400
_SUMS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_nanos")
_INSERT_ROWS = BulkInsert(completions)
_row_values, _row_sums = attrgetter(*_INSERT_ROWS.columns), attrgetter(*_SUMS, "estimated")
_ADD_TO_DAYS = BulkInsert(daily_usage, added=("requests", *_SUMS, "estimated_requests"))
_ADD_TO_MONTHS = BulkInsert(monthly_usage, added=("tokens", "cost_nanos"))
_SELECT_WRITTEN = sa.select(completions.c.id, completions.c.status, completions.c.cost_nanos).where(
    completions.c.id.in_(sa.bindparam("ids", expanding=True))
)
_MARK_FAILED = (
    sa.update(completions)
    .where(completions.c.id == sa.bindparam("row_id"))
    .values(status="failed", finish_reason=None, cost_nanos=0)
)


class LedgerRow(msgspec.Struct):
    """One completion, with the columns of `completions`: times in seconds since 1970, cost in billionths."""

    id: str
    key_id: str
    project: str
    model: str
    status: CompletionStatus
    finish_reason: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nanos: int
    received_at: float
    first_token_at: float | None
    finished_at: float
    estimated: bool = False

    def as_failed(self) -> "LedgerRow":
        """The row of an answer whose end was withheld: it failed, and costs nothing."""
        return msgspec.structs.replace(self, status="failed", finish_reason=None, cost_nanos=0)


def write_rows(connection: sa.Connection, rows: Sequence[LedgerRow], *, retry: bool) -> None:
    """Insert the rows and add them to the sums of their days and months.

    With `retry`, existing rows are kept, since an earlier commit may have succeeded although it seemed to fail. A
    completed row whose client has since received an error is changed into a failed row without cost.
    """
    if retry:
        rows = _without_written(connection, rows)
    if rows:
        _INSERT_ROWS.insert(connection, [_row_values(row) for row in rows])
        _add_to_sums(connection, _sums_by_day(rows))


def _without_written(connection: sa.Connection, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """The rows that the store does not have, each once. Marks those as failed that it has as completed."""
    latest = {row.id: row for row in rows}
    for ids in _batches(list(latest)):
        for written in connection.execute(_SELECT_WRITTEN, {"ids": ids}).all():
            row = latest.pop(written.id)
            if row.status == "failed" and written.status == "completed":
                connection.execute(_MARK_FAILED, {"row_id": row.id})
                difference = (0, 0, 0, 0, 0, -written.cost_nanos, 0)
                _add_to_sums(connection, [(_day(row.finished_at), row.key_id, row.project, row.model, *difference)])
    return list(latest.values())


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Batches of the size that one statement can name; after a failure of the store there may be more rows than
    that."""
    return (ids[start : start + 1000] for start in range(0, len(ids), 1000))


def _add_to_sums(connection: sa.Connection, by_day: Sequence[tuple[Any, ...]]) -> None:
    """Add rows of `daily_usage` to the sums of days, and to the sums of months, which budgets read."""
    _ADD_TO_DAYS.insert(connection, by_day)
    by_month: dict[tuple[str, str, str], list[int]] = {}
    for day, key_id, project, _model, *sums in by_day:
        _requests, input_tokens, _cached, output_tokens, _reasoning, cost, _estimated = sums
        for subject in (("key", key_id, day[:7]), ("project", project, day[:7])):
            totals = by_month.setdefault(subject, [0, 0])
            totals[0] += input_tokens + output_tokens
            totals[1] += cost
    _ADD_TO_MONTHS.insert(connection, [(*subject, *totals) for subject, totals in by_month.items()])


def _sums_by_day(rows: Sequence[LedgerRow]) -> list[tuple[Any, ...]]:
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for row in rows:
        sums = groups.setdefault((_day(row.finished_at), row.key_id, row.project, row.model), [0] * 7)
        for place, amount in enumerate((1, *_row_sums(row))):
            sums[place] += amount
    return [(*group, *sums) for group, sums in groups.items()]


def _day(time: float) -> str:
    return _iso_day(int(time // _DAY))


@lru_cache(4)
def _iso_day(number: int) -> str:
    """The UTC day of that number, counted from 1970-01-01, in ISO format."""
    return datetime.fromtimestamp(number * _DAY, UTC).date().isoformat()
