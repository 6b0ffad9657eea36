"""Single completions of long ago go, their sums stay, and servers write meanwhile; on both databases."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from forefront.gateway.ledger.settlement import LedgerRow, write_rows
from forefront.gateway.store import prune
from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.database import Database
from forefront.gateway.store.prune import count_completions_before, delete_completions_before
from forefront.gateway.store.tables import completions, daily_usage, monthly_usage
from forefront.wire.admin.records import Budget, NewKey
from forefront.wire.errors import RequestError
from tests.gateway.helpers import answer, open_gateway

DAY = date(2026, 1, 31)
BEGIN = datetime(2026, 1, 31, tzinfo=UTC).timestamp()


def row(name: str, finished: float) -> LedgerRow:
    return LedgerRow(name, "k", "p", "m", "completed", "stop", 10, 0, 5, 0, 7, finished - 2, finished - 1, finished)


def all_of(database: Database, table: sa.Table) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return sorted(tuple(found) for found in connection.execute(sa.select(table)))


@pytest.mark.parametrize("count", [0, 1, 499, 500, 1200])
def test_rows_before_the_day_are_deleted_and_sums_stay(database: Database, count: int) -> None:
    old = [row(f"old-{n}", BEGIN - 0.001 - n * 100) for n in range(count)]
    new = [row("first", BEGIN), row("later", BEGIN + 86_400)]
    with database.write() as connection:
        write_rows(connection, old + new, retry=False)
    sums = all_of(database, daily_usage), all_of(database, monthly_usage)
    assert count_completions_before(database, DAY) == count
    progress: list[int] = []
    assert delete_completions_before(database, DAY, progress.append) == count
    assert progress == [*range(500, count + 1, 500), count]
    assert {one[0] for one in all_of(database, completions)} == {"first", "later"}
    assert (all_of(database, daily_usage), all_of(database, monthly_usage)) == sums
    assert delete_completions_before(database, DAY) == 0


async def test_servers_write_and_budgets_hold_during_pruning(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "_BATCH", 20)
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=1_000_000, period="ever")))
        await answer(fixture.gateway.admit(principal, "m", "old"), 400_000, 500_000, 500_000)
        with database.write() as connection:
            connection.execute(sa.update(completions).values(finished_at=BEGIN - 1))
            BulkInsert(completions).insert(connection, [values(row(f"{n}", BEGIN - 9)) for n in range(1000)])
        deleting = asyncio.create_task(asyncio.to_thread(delete_completions_before, database, DAY))
        written = 0
        while not deleting.done():
            await answer(fixture.gateway.admit(principal, "m", f"new-{written}"), 1, 0, 0)
            written += 1
        assert await deleting == 1001
        assert written > 3
        with pytest.raises(RequestError, match="budget"):
            await answer(fixture.gateway.admit(principal, "m", "much"), 50_000, 51_000, 0)
    assert len(all_of(database, completions)) == written


def values(one: LedgerRow) -> tuple[Any, ...]:
    return tuple(getattr(one, column.name) for column in completions.columns)


def test_each_group_is_found_by_an_index(database: Database) -> None:
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))  # which it prefers while a table is empty
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        query = "SELECT id FROM completions WHERE finished_at < 1 ORDER BY finished_at LIMIT 500"
        plan = str(connection.execute(sa.text(f"{explain} {query}")).all())
    assert "completions_finished_at" in plan
