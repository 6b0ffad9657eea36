"""Reading the ledger: one completion, or sums over days, keys, projects and models."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from forefront.gateway.ledger.pricing import from_nanos
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import completions, days
from forefront.wire.admin import CompletionUsage, UsageReport, UsageRow
from forefront.wire.parse_admin import ReportQuery

_SUMS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")


class Usage:
    """Blocking calls; all raise `StoreError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, completion: str) -> CompletionUsage | None:
        """The row of that completion."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(completions).where(completions.c.id == completion)).mappings().first()
        return None if found is None else CompletionUsage(**{**found, "cost": from_nanos(found["cost"])})

    def rows(self, wanted: ReportQuery, *, patient: bool = False) -> Iterator[UsageRow]:
        """Sums for each group of `wanted.by`, in its order, read from the store while they are taken.

        Take them at once: until the last one a SQLite store cannot shorten its journal. Raises `StoreError`, and unless
        `patient` also when PostgreSQL needs more than 10 seconds for the sums.
        """
        with self._database.read(patient=patient) as connection:
            for row in self._database.stream(connection, _query(wanted)):
                yield _row(row, wanted.by)

    def write(self, put: Callable[[bytes], object], wanted: ReportQuery) -> None:
        """Put a `UsageReport` as JSON somewhere, row by row: a year of days, keys and models may be hundreds of MiB."""
        report = UsageReport(since=wanted.since, until=wanted.until, by=list(wanted.by), data=[])
        head, between = msgspec.json.encode(report).removesuffix(b"]}"), b""
        put(head)
        for row in self.rows(wanted):
            put(between + msgspec.json.encode(row))
            between = b","
        put(b"]}")


def _query(wanted: ReportQuery) -> sa.Select[Any]:
    groups = [days.c[name] for name in wanted.by]
    sums = [sa.func.coalesce(sa.func.sum(days.c[name]), 0).label(name) for name in _SUMS]
    query = sa.select(*groups, *sums).group_by(*groups).order_by(*groups)
    for name, value in (("key", wanted.key), ("project", wanted.project), ("model", wanted.model)):
        if value is not None:
            query = query.where(days.c[name] == value)
    if wanted.since is not None:
        query = query.where(days.c.day >= wanted.since)
    if wanted.until is not None:
        query = query.where(days.c.day <= wanted.until)
    return query


def _row(row: sa.RowMapping, by: Sequence[str]) -> UsageRow:
    sums: dict[str, Any] = {name: int(row[name]) for name in _SUMS}
    return UsageRow(group={name: row[name] for name in by}, **{**sums, "cost": from_nanos(sums["cost"])})
