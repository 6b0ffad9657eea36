"""The state of all budgets: the used, held and remaining amounts of the current period."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import sqlalchemy as sa

from forefront.gateway.keys.key_store import is_active, key_from_row, read_project
from forefront.gateway.ledger.budget_transaction import period_start
from forefront.gateway.ledger.pricing import from_nanos, to_nanos
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import api_keys, budget_leases, daily_usage, monthly_usage, projects
from forefront.wire.admin.history import BudgetStatus
from forefront.wire.admin.records import Budget

Subject = Literal["key", "project"]
Sums = dict[str, tuple[int, int]]  # tokens and cost by the id of a key or the name of a project
_COLUMNS: Final = {"key": "key_id", "project": "project"}


class BudgetReports:
    """Blocking calls. All raise `StoreError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[BudgetStatus]:
        """Every budget of a project, by name, then those of live keys, the oldest first."""
        with self._database.read() as connection:
            has_budget = projects.c.budget_period.is_not(None)
            rows = connection.execute(sa.select(projects).where(has_budget).order_by(projects.c.name)).mappings()
            found: list[tuple[Subject, str, Budget | None]] = [
                ("project", project.name, project.budget) for project in map(read_project, rows)
            ]
            query = sa.select(api_keys).where(api_keys.c.budget_period.is_not(None), api_keys.c.revoked_at.is_(None))
            rows = connection.execute(query.order_by(api_keys.c.created_at, api_keys.c.id)).mappings()
            found += [("key", key.id, key.budget) for key in map(key_from_row, rows) if is_active(key)]
            budgets = [(subject, name, budget) for subject, name, budget in found if budget is not None]
            held = {subject: _held(connection, subject) for subject in {subject for subject, *_ in budgets}}
            used = {
                (subject, since): _used(connection, subject, since)
                for subject, since in {(subject, period_start(budget)) for subject, _, budget in budgets}
            }
        return [
            _status(subject, name, budget, used[subject, period_start(budget)], held[subject])
            for subject, name, budget in budgets
        ]


def _used(connection: sa.Connection, subject: Subject, since: str) -> Sums:
    """Settled usage of all keys or projects from a day on. Months are summed already; a day begins within one."""
    if since and not since.endswith("-01"):
        days = daily_usage.c
        columns, name = (days.input_tokens + days.output_tokens, days.cost_nanos), days[_COLUMNS[subject]]
        return _sums(connection, name, columns, [days.day >= since])
    months = monthly_usage.c
    where = [months.subject_type == subject, months.month >= since[:7]]
    return _sums(connection, months.subject_id, (months.tokens, months.cost_nanos), where)


def _held(connection: sa.Connection, subject: Subject) -> Sums:
    leases = budget_leases.c
    return _sums(connection, leases[_COLUMNS[subject]], (leases.tokens, leases.cost_nanos), [])


def _sums(connection: sa.Connection, name: Any, columns: Iterable[Any], where: list[Any]) -> Sums:
    sums = [sa.func.sum(column) for column in columns]
    rows = connection.execute(sa.select(name, *sums).where(*where).group_by(name))
    return {row[0]: (int(row[1]), int(row[2])) for row in rows}


def _status(subject: Subject, name: str, budget: Budget, used: Sums, held: Sums) -> BudgetStatus:
    (tokens_used, cost_used), (tokens_held, cost_held) = used.get(name, (0, 0)), held.get(name, (0, 0))
    limit = None if budget.money is None else to_nanos(budget.money)
    return BudgetStatus(
        subject=subject,
        id=name,
        period=budget.period,
        since=period_start(budget) or None,
        tokens=budget.tokens,
        tokens_used=tokens_used,
        tokens_held=tokens_held,
        tokens_left=None if budget.tokens is None else max(budget.tokens - tokens_used - tokens_held, 0),
        money=budget.money,
        money_used=from_nanos(cost_used),
        money_held=from_nanos(cost_held),
        money_left=None if limit is None else from_nanos(max(limit - cost_used - cost_held, 0)),
    )
