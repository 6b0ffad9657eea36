"""Reading the ledger: one completion, or sums over days, keys, projects and models."""

from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from forefront.gateway.database import Database
from forefront.gateway.money import from_nanos
from forefront.gateway.tables import completions, days
from forefront.wire.admin import CompletionUsage, UsageReport, UsageRow

By = Literal["day", "key", "project", "model"]
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

    def report(
        self,
        by: Sequence[By],
        *,
        since: str | None = None,
        until: str | None = None,
        key: str | None = None,
        project: str | None = None,
        model: str | None = None,
    ) -> UsageReport:
        """Sums for each group of `by`, in its order. Days are UTC, as `2026-01-31`, the first and last included."""
        groups = [days.c[name] for name in by]
        sums = [sa.func.coalesce(sa.func.sum(days.c[name]), 0).label(name) for name in _SUMS]
        query = sa.select(*groups, *sums).group_by(*groups).order_by(*groups)
        for name, value in (("key", key), ("project", project), ("model", model)):
            if value is not None:
                query = query.where(days.c[name] == value)
        if since is not None:
            query = query.where(days.c.day >= since)
        if until is not None:
            query = query.where(days.c.day <= until)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return UsageReport(since=since, until=until, by=list(by), data=[_row(row, by) for row in rows])


def _row(row: sa.RowMapping, by: Sequence[str]) -> UsageRow:
    sums: dict[str, Any] = {name: int(row[name]) for name in _SUMS}
    return UsageRow(group={name: row[name] for name in by}, **{**sums, "cost": from_nanos(sums["cost"])})
