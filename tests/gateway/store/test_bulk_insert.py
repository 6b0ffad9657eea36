"""Many rows in few statements, on both databases."""

import pytest
import sqlalchemy as sa

from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import budget_leases, completions, daily_usage


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 200])
def test_each_row_is_stored_once_unchanged(database: Database, count: int) -> None:
    bulk = BulkInsert(completions)
    text = 'it\'s "quoted", %s, ? and né'
    before, after = ("key", "project", text, "completed", None), (0, 1, 0, True)
    rows = [
        (f"c{number}", *before, 10**15 + number, *after, number, 0.1 + number, None, 1e9 / 7) for number in range(count)
    ]
    with database.write() as connection:
        bulk.insert(connection, rows)
    with database.read() as connection:
        found = connection.execute(sa.select(completions)).all()
    assert sorted(map(tuple, found)) == sorted(rows)


def test_an_existing_row_is_added_to(database: Database) -> None:
    bulk = BulkInsert(daily_usage, added=("requests", "cost_nanos"))
    with database.write() as connection:
        bulk.insert(connection, [("2026-01-01", "key", "p", "m", 1, 5, 6, 7, 8, 9, 0)])
        bulk.insert(
            connection, [("2026-01-01", "key", "p", "m", 2, 0, 0, 0, 0, 3, 0), ("2026-01-01", "other", *"pm", *[1] * 7)]
        )
    with database.read() as connection:
        found = connection.execute(sa.select(daily_usage).order_by(daily_usage.c.key_id)).all()
    assert [tuple(row) for row in found] == [
        ("2026-01-01", "key", "p", "m", 3, 5, 6, 7, 8, 12, 0),
        ("2026-01-01", "other", "p", "m", 1, 1, 1, 1, 1, 1, 1),
    ]


def test_an_existing_row_is_replaced(database: Database) -> None:
    bulk = BulkInsert(budget_leases, replaced=("tokens",))
    with database.write() as connection:
        bulk.insert(connection, [("one", "i", "key", "p", 1, 2)])
        bulk.insert(connection, [("one", "i", "key", "p", 3, 4)])
    with database.read() as connection:
        assert [tuple(row) for row in connection.execute(sa.select(budget_leases))] == [("one", "i", "key", "p", 3, 2)]


def test_a_duplicate_row_is_not_a_store_failure(database: Database) -> None:
    bulk = BulkInsert(budget_leases)
    rows = [("one", "i", "key", "p", 1, 2)] * 2
    driver = database.engine.dialect.dbapi
    assert driver is not None
    with pytest.raises(driver.IntegrityError), database.write() as connection:
        bulk.insert(connection, rows)
    with database.read() as connection:
        assert not connection.execute(sa.select(budget_leases)).all()
