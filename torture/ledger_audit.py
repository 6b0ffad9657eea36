"""Comparison of the ledger with the responses that clients saw."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from forefront.gateway.store.database import Database, open_database
from forefront.gateway.store.tables import budget_leases, completions, daily_usage, monthly_usage

_SUMS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_nanos")


# Alembic has global state, so stores are opened one at a time.
_opening = threading.Lock()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """An open store, from any thread."""
    with _opening:
        database = open_database(url)
    try:
        yield database
    finally:
        database.close()


@dataclass(frozen=True)
class LedgerAudit:
    """The contents of a store. `rows`: status and output tokens by completion. `days_agree`: the sums by day and month
    equal those of the rows."""

    rows: Mapping[str, tuple[str, int]]
    held: int
    days_agree: bool

    @property
    def tokens(self) -> int:
        """All output tokens."""
        return sum(tokens for _, tokens in self.rows.values())

    def missing(self, seen: Mapping[str, int | None]) -> int:
        """The number of complete responses without a row, or with a row of other tokens."""
        return sum(1 for completion, tokens in seen.items() if not self._has(completion, tokens))

    def _has(self, completion: str, tokens: int | None) -> bool:
        status, written = self.rows.get(completion, ("", 0))
        return status == "completed" and tokens in (None, written)


def audit_ledger(url: str) -> LedgerAudit:
    """Read a store."""
    with opened(url) as database, database.read() as connection:
        found = connection.execute(sa.select(completions)).mappings().all()
        summed = connection.execute(sa.select(daily_usage)).mappings().all()
        monthly = connection.execute(sa.select(monthly_usage)).all()
        held = connection.execute(sa.select(sa.func.count()).select_from(budget_leases)).scalar_one()
    by_rows: dict[tuple[str, ...], list[int]] = {}
    for row in found:
        group = by_rows.setdefault((row["key_id"], row["project"], row["model"]), [0] * 6)
        group[0] += 1
        for place, name in enumerate(_SUMS, 1):
            group[place] += row[name]
    by_days: dict[tuple[str, ...], list[int]] = {}
    for row in summed:
        group = by_days.setdefault((row["key_id"], row["project"], row["model"]), [0] * 6)
        for place, name in enumerate(("requests", *_SUMS)):
            group[place] += row[name]
    by_months: dict[tuple[str, ...], list[int]] = {}
    for row in summed:
        for kind, column in (("key", "key_id"), ("project", "project")):
            sums = by_months.setdefault((kind, row[column], row["day"][:7]), [0, 0])
            sums[0] += row["input_tokens"] + row["output_tokens"]
            sums[1] += row["cost_nanos"]
    rows = {row["id"]: (row["status"], row["output_tokens"]) for row in found}
    agree = by_rows == by_days and sorted(map(tuple, monthly)) == sorted(
        (*subject, *sums) for subject, sums in by_months.items()
    )
    return LedgerAudit(rows, held, agree)
