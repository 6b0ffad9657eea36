"""What is used, held and left of budgets, on both databases."""

import time
from typing import Any

from forefront.gateway.keys.budget_reports import BudgetReports
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.settlement import LedgerRow, write_rows
from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import budget_leases
from forefront.wire.admin.history import KeyLimits
from forefront.wire.admin.records import Budget, Limits, NewKey, ProjectSettings


def settle(database: Database, key: str, project: str, end: float) -> None:
    row = LedgerRow(f"c{end}{key}", key, project, "m", "completed", "stop", 60, 0, 40, 0, 2 * 10**9, end, end, end)
    with database.write() as connection:
        write_rows(connection, [row], retry=False)


def test_every_budget_with_the_rest_of_its_period(database: Database) -> None:
    store, now = KeyStore(database), time.time()
    store.set_project("shop", ProjectSettings(budget=Budget(tokens=1000, period="ever")))
    daily = store.create(NewKey(name="daily", project="shop", budget=Budget(tokens=250, money=3, period="day")))
    monthly = store.create(NewKey(name="monthly", project="other", budget=Budget(money=1, period="month")))
    revoked = store.create(NewKey(name="revoked", budget=Budget(tokens=1)))
    store.revoke(revoked.id)
    store.create(NewKey(name="none"))
    for end in (now, now - 100 * 86_400):
        settle(database, daily.id, "shop", end)
    settle(database, monthly.id, "other", now)
    with database.write() as connection:
        lease = ("lease", "server", daily.id, "shop", 30, 10**9)
        BulkInsert(budget_leases).insert(connection, [lease])

    shop, *of_keys = BudgetReports(database).all()
    assert {budget.id for budget in of_keys} == {daily.id, monthly.id}
    first, second = sorted(of_keys, key=lambda budget: budget.period)
    assert (shop.subject, shop.id, shop.tokens_used, shop.tokens_held, shop.tokens_left) == (
        "project", "shop", 200, 30, 770,
    )  # fmt: skip
    assert (shop.money, shop.money_used, shop.money_left, shop.since) == (None, 4, None, None)
    assert (first.id, first.tokens_used, first.tokens_left) == (daily.id, 100, 120)
    assert (first.money_used, first.money_held, first.money_left) == (2, 1, 0)
    assert (second.id, second.money_used, second.money_left, second.tokens_left) == (monthly.id, 2, 0, None)


def test_limits_of_a_key_are_replaced(database: Database) -> None:
    store = KeyStore(database)
    key = store.create(NewKey(name="k", limits=Limits(concurrency=2), budget=Budget(tokens=5)))
    wanted: Any = KeyLimits(limits=Limits(requests_per_minute=7))
    changed = store.set_limits(key.id, wanted)
    assert changed == store.get(key.id)
    assert changed is not None
    assert (changed.limits, changed.budget) == (wanted.limits, None)
    store.revoke(key.id)
    assert store.set_limits(key.id, wanted) is None
    assert store.set_limits("none", wanted) is None
