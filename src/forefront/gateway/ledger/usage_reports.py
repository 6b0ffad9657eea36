"""Reports from the ledger: one completion, or sums over days, keys, projects and models."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from forefront.gateway.ledger.pricing import from_nanos
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import completions, daily_usage
from forefront.wire.admin.parse import ReportQuery
from forefront.wire.admin.records import CompletionUsage, UsageReport, UsageRow

_SUMS: Final = (
    "requests",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanos",
    "estimated_requests",
)
# The API's field of a column, where the names differ.
_FIELDS: Final = {
    "key_id": "key",
    "cost_nanos": "cost",
    "received_at": "received",
    "first_token_at": "started",
    "finished_at": "finished",
}
_COLUMNS: Final = {field: column for column, field in _FIELDS.items()}


class UsageReports:
    """Blocking calls. All raise `StoreError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def completion(self, completion_id: str) -> CompletionUsage | None:
        """The usage of one completion."""
        with self._database.read() as connection:
            query = sa.select(completions).where(completions.c.id == completion_id)
            found = connection.execute(query).mappings().first()
        if found is None:
            return None
        fields = {_FIELDS.get(column, column): value for column, value in found.items()}
        return CompletionUsage(**{**fields, "cost": from_nanos(fields["cost"])})

    def rows(self, query: ReportQuery, *, statement_timeout: bool = True) -> Iterator[UsageRow]:
        """Sums for each group of `query.by`, in that order, streamed from the store.

        Consume them at once: until the last row SQLite cannot truncate its write-ahead log. Raises `StoreError`, also
        when PostgreSQL takes more than 10 seconds, unless `statement_timeout` is off.
        """
        with self._database.read(statement_timeout=statement_timeout) as connection:
            for row in self._database.stream(connection, _select(query)):
                yield _usage_row(row, query.by)

    def write(self, write: Callable[[bytes], object], query: ReportQuery) -> None:
        """Write a `UsageReport` as JSON, row by row: a year of days, keys and models may be hundreds of MiB."""
        report = UsageReport(since=query.since, until=query.until, by=list(query.by), data=[])
        head, separator = msgspec.json.encode(report).removesuffix(b"]}"), b""
        write(head)
        for row in self.rows(query):
            write(separator + msgspec.json.encode(row))
            separator = b","
        write(b"]}")


def _column(name: str) -> sa.Column[Any]:
    return daily_usage.c[_COLUMNS.get(name, name)]


def _select(query: ReportQuery) -> sa.Select[Any]:
    groups = [_column(name) for name in query.by]
    sums = [sa.func.coalesce(sa.func.sum(daily_usage.c[name]), 0).label(name) for name in _SUMS]
    select = sa.select(*groups, *sums).group_by(*groups).order_by(*groups)
    for name, value in (("key", query.key), ("project", query.project), ("model", query.model)):
        if value is not None:
            select = select.where(_column(name) == value)
    if query.since is not None:
        select = select.where(daily_usage.c.day >= query.since)
    if query.until is not None:
        select = select.where(daily_usage.c.day <= query.until)
    return select


def _usage_row(row: sa.RowMapping, by: Sequence[str]) -> UsageRow:
    group = {name: row[_COLUMNS.get(name, name)] for name in by}
    tokens: dict[str, int] = {name: int(row[name]) for name in _SUMS if name != "cost_nanos"}
    return UsageRow(group=group, **tokens, cost=from_nanos(int(row["cost_nanos"])))
