"""Limits and budgets as columns of the store."""

from typing import Any

import sqlalchemy as sa

from forefront.gateway.ledger.pricing import from_nanos, to_nanos
from forefront.wire.admin import Budget, Limits


def bounds_columns(limits: Limits, budget: Budget | None) -> dict[str, Any]:
    """The columns' values."""
    return {
        **{name: limits[name] for name in limits},
        "budget_tokens": budget.tokens if budget else None,
        "budget_money": to_nanos(budget.money) if budget and budget.money is not None else None,
        "budget_period": budget.period if budget else None,
    }


def read_limits(row: sa.RowMapping) -> Limits:
    """The limits in a row."""
    return Limits(**{name: row[name] for name in Limits.__struct_fields__})


def read_budget(row: sa.RowMapping) -> Budget | None:
    """The budget in a row, if there is one."""
    if row["budget_period"] is None:
        return None
    money = row["budget_money"]
    return Budget(
        tokens=row["budget_tokens"],
        money=None if money is None else from_nanos(money),
        period=row["budget_period"],
    )
