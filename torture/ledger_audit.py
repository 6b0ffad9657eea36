"""The ledger against what clients saw."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from forefront.gateway.store.database import Database, open_database
from forefront.gateway.store.tables import completions, days, months, reservations

_SUMS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")


# Alembic's state is global: a program opens one store at a time.
_opening = threading.Lock()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A store, from any thread."""
    with _opening:
        database = open_database(url)
    try:
        yield database
    finally:
        database.close()


@dataclass(frozen=True)
class Books:
    """What a store holds. `rows`: status and output tokens by completion. `days_agree`: each day's and month's sums,
    which budgets are read from, are those of its rows."""

    rows: Mapping[str, tuple[str, int]]
    held: int
    days_agree: bool

    @property
    def tokens(self) -> int:
        """All output tokens."""
        return sum(tokens for _, tokens in self.rows.values())

    def missing(self, seen: Mapping[str, int | None]) -> int:
        """How many of the answers that were seen whole are not there, or with other tokens than were seen."""
        return sum(1 for completion, tokens in seen.items() if not self._has(completion, tokens))

    def _has(self, completion: str, tokens: int | None) -> bool:
        status, written = self.rows.get(completion, ("", 0))
        return status == "completed" and tokens in (None, written)


def read_books(url: str) -> Books:
    """Read a store."""
    with opened(url) as database, database.read() as connection:
        found = connection.execute(sa.select(completions)).mappings().all()
        summed = connection.execute(sa.select(days)).mappings().all()
        monthly = connection.execute(sa.select(months)).all()
        held = connection.execute(sa.select(sa.func.count()).select_from(reservations)).scalar_one()
    by_rows: dict[tuple[str, ...], list[int]] = {}
    for row in found:
        group = by_rows.setdefault((row["key"], row["project"], row["model"]), [0] * 6)
        group[0] += 1
        for place, name in enumerate(_SUMS, 1):
            group[place] += row[name]
    by_days: dict[tuple[str, ...], list[int]] = {}
    for row in summed:
        group = by_days.setdefault((row["key"], row["project"], row["model"]), [0] * 6)
        for place, name in enumerate(("requests", *_SUMS)):
            group[place] += row[name]
    by_months: dict[tuple[str, ...], list[int]] = {}
    for row in summed:
        for kind in ("key", "project"):
            own = by_months.setdefault((kind, row[kind], row["day"][:7]), [0, 0])
            own[0] += row["input_tokens"] + row["output_tokens"]
            own[1] += row["cost"]
    rows = {row["id"]: (row["status"], row["output_tokens"]) for row in found}
    agree = by_rows == by_days and sorted(map(tuple, monthly)) == sorted((*of, *own) for of, own in by_months.items())
    return Books(rows, held, agree)
