"""The ledger against what clients saw."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from forefront.gateway.database import open_database
from forefront.gateway.tables import completions, days, reservations

_SUMS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")


@dataclass(frozen=True)
class Books:
    """What a store holds. `rows`: status and output tokens by completion. `days_agree`: each day's sums, which budgets
    are read from, are those of its rows."""

    rows: Mapping[str, tuple[str, int]]
    held: int
    days_agree: bool

    @property
    def tokens(self) -> int:
        """All output tokens."""
        return sum(tokens for _, tokens in self.rows.values())

    def missing(self, seen: Mapping[str, int | None]) -> int:
        """How many of the answers that were seen whole are not there just so, with their tokens where those were seen."""
        return sum(1 for completion, tokens in seen.items() if not self._has(completion, tokens))

    def _has(self, completion: str, tokens: int | None) -> bool:
        status, written = self.rows.get(completion, ("", 0))
        return status == "completed" and tokens in (None, written)


def read_books(url: str) -> Books:
    """Read a store."""
    database = open_database(url)
    try:
        with database.read() as connection:
            found = connection.execute(sa.select(completions)).mappings().all()
            summed = connection.execute(sa.select(days)).mappings().all()
            held = connection.execute(sa.select(sa.func.count()).select_from(reservations)).scalar_one()
    finally:
        database.close()
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
    rows = {row["id"]: (row["status"], row["output_tokens"]) for row in found}
    return Books(rows, held, by_rows == by_days)
