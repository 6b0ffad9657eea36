"""The budgets of one store transaction: usage is read once, changed in memory, and written at the end."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from forefront.gateway.ledger.budget_lease import BudgetHold, BudgetLease, BudgetRefusal
from forefront.gateway.ledger.pricing import from_nanos, to_nanos
from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.tables import budget_leases, daily_usage, monthly_usage
from forefront.wire.admin.records import Budget

# The target size of a lease: the requests of this number of commits, but at most this fraction of the remaining budget.
_COMMITS = 8
_MAX_PART = 16
# With less than this share of the target size available, the budget is near its end: requests are counted one by one.
_MIN_SHARE = 0.25
# Seconds after which a lease reads its budgets again, since other servers use them too.
_MAX_AGE = 0.2
_COLUMNS = {"key": "key_id", "project": "project"}  # of a subject's type, in `daily_usage` and `budget_leases`


def _usage_query(subject_type: str, period: str) -> sa.Select[Any]:
    """Tokens and cost that a key or project used since a day, and that servers hold for it."""
    subject: sa.BindParameter[str] = sa.bindparam("subject")
    since: sa.BindParameter[str] = sa.bindparam("since", type_=sa.String)
    column = _COLUMNS[subject_type]
    if period == "day":
        days = daily_usage.c
        used = _sums(days.input_tokens + days.output_tokens, days.cost_nanos)
        used = used.where(days[column] == subject, days.day >= since)
    else:
        months = monthly_usage.c
        used = _sums(months.tokens, months.cost_nanos).where(
            months.subject_type == subject_type,
            months.subject_id == subject,
            months.month >= sa.func.substr(since, 1, 7),
        )
    held = _sums(budget_leases.c.tokens, budget_leases.c.cost_nanos).where(budget_leases.c[column] == subject)
    used_sums, held_sums = used.subquery(), held.subquery()
    return sa.select(used_sums, held_sums).select_from(used_sums.join(held_sums, sa.true()))


def _sums(*columns: sa.ColumnElement[int]) -> sa.Select[Any]:
    sums: list[sa.ColumnElement[Any]] = [sa.func.coalesce(sa.func.sum(column), 0) for column in columns]
    return sa.select(*sums)


_USAGE_QUERIES = {
    (subject_type, period): _usage_query(subject_type, period)
    for subject_type in ("key", "project")
    for period in ("day", "month", "ever")
}
_UPSERT = BulkInsert(budget_leases, replaced=("tokens", "cost_nanos"))
_DELETE = sa.delete(budget_leases).where(budget_leases.c.id == sa.bindparam("lease_id"))


class BudgetTransaction:
    """Budgets and leases within one transaction. Leases change only at `apply`, after the commit.

    Rows of leases are set to a sum instead of changed by a difference, so that a commit with an unknown outcome can be
    repeated. `unsure` are the leases of such commits.
    """

    def __init__(self, connection: sa.Connection, server_id: str, unsure: Iterable[BudgetLease] = ()) -> None:
        self._connection, self._server_id = connection, server_id
        self._used: dict[tuple[str, str, str], list[int]] = {}  # by subject and first day of the period
        self._held: dict[BudgetLease, list[int]] = {}
        self._requested: dict[BudgetLease, list[int]] = {}
        self._targets: dict[BudgetLease, tuple[bool, list[int]]] = {}  # `has_headroom` and `size`
        self.freed: dict[BudgetLease, list[int]] = {}
        for lease in unsure:
            self._held[lease] = list(lease.held)
        self.write()

    @property
    def changed(self) -> Iterable[BudgetLease]:
        """The leases whose held amount changes."""
        return self._held

    def release(self, hold: BudgetHold, used: tuple[int, int] | None) -> None:
        """Subtract `used` from the lease. The rest of the hold stays free in a lease with headroom, and otherwise
        returns to the budget. With None, the whole hold returns."""
        lease = hold.lease
        keep = [0, 0]
        if used is not None:
            self._count_request(hold)
            if lease.has_headroom and not lease.retired:
                keep = [max(hold.tokens - used[0], 0), max(hold.cost - used[1], 0)]
        self._change(lease, keep[0] - hold.tokens, keep[1] - hold.cost)
        _add(self.freed.setdefault(lease, [0, 0]), *keep)

    def take(self, hold: BudgetHold) -> BudgetRefusal | None:
        """Hold an amount for one request, or return the refusal."""
        self._count_request(hold)
        for subject_type, subject, budget in _subjects(hold.lease):
            if refusal := self._refusal(subject_type, subject, budget, hold):
                return refusal
        self._change(hold.lease, hold.tokens, hold.cost)
        return None

    def refill(self) -> None:
        """Extend the leases that were used to their target sizes, as far as the budgets allow it."""
        for lease, requested in self._requested.items():
            if lease.retired:
                continue
            freed = self.freed.setdefault(lease, [0, 0])
            # The event loop changes `free` meanwhile, which is exact enough for a target size.
            free = [lease.free[0] + freed[0], lease.free[1] + freed[1]]
            short = any(have * 2 < size for have, size in zip(free, lease.size, strict=True))
            stale = time.monotonic() - lease.read_at > _MAX_AGE
            known = all((*subject, period_start(budget)) in self._used for *subject, budget in _subjects(lease))
            if not known and not (lease.has_headroom and (short or stale)):
                continue
            size = [max(_COMMITS * now, before * 7 // 8) for now, before in zip(requested, lease.size, strict=True)]
            share = self._available_share(lease, size)
            self._targets[lease] = (share >= _MIN_SHARE, [int(share * amount) for amount in size])
            if share >= _MIN_SHARE:
                more = [max(int(share * amount) - have, 0) for amount, have in zip(size, free, strict=True)]
                self._change(lease, *more)
                _add(freed, *more)

    def write(self) -> None:
        """Write the rows of the changed leases."""
        rows = [
            (lease.id, self._server_id, lease.key_id, lease.project, *held)
            for lease, held in self._held.items()
            if any(held)
        ]
        empty = [{"lease_id": lease.id} for lease, held in self._held.items() if not any(held)]
        if rows:
            _UPSERT.insert(self._connection, rows)
        if empty:
            self._connection.execute(_DELETE, empty)

    def apply(self) -> None:
        """Update the leases after the commit."""
        for lease, held in self._held.items():
            lease.held = held
        for lease, (has_headroom, size) in self._targets.items():
            lease.has_headroom, lease.size, lease.read_at = has_headroom, size, time.monotonic()

    def _count_request(self, hold: BudgetHold) -> None:
        _add(self._requested.setdefault(hold.lease, [0, 0]), hold.tokens, hold.cost)

    def _change(self, lease: BudgetLease, tokens: int, cost: int) -> None:
        if lease not in self._held:
            self._held[lease] = list(lease.held)
        _add(self._held[lease], tokens, cost)
        for (subject_type, subject, _), used in self._used.items():
            if subject == _subject_id(lease, subject_type):
                _add(used, tokens, cost)

    def _available_share(self, lease: BudgetLease, size: list[int]) -> float:
        """The part of `size`, at most 1, that one `_MAX_PART` of the remaining budgets covers."""
        share = 1.0
        for subject_type, subject, budget in _subjects(lease):
            used = self._read(subject_type, subject, budget)
            for number, limit in enumerate(_limits(budget)):
                if limit is not None and size[number]:
                    share = min(share, max(limit - used[number], 0) / (_MAX_PART * size[number]))
        return share

    def _refusal(self, subject_type: str, subject: str, budget: Budget, hold: BudgetHold) -> BudgetRefusal | None:
        tokens, cost = self._read(subject_type, subject, budget)
        if budget.tokens is not None and tokens + hold.tokens > budget.tokens:
            remaining = max(budget.tokens - tokens, 0)
            return BudgetRefusal(subject_type, "tokens", budget.period, budget.tokens, remaining, hold.tokens)
        if budget.money is not None and cost + hold.cost > (limit := to_nanos(budget.money)):
            remaining_money, requested = from_nanos(max(limit - cost, 0)), from_nanos(hold.cost)
            return BudgetRefusal(subject_type, "money", budget.period, budget.money, remaining_money, requested)
        return None

    def _read(self, subject_type: str, subject: str, budget: Budget) -> list[int]:
        """Tokens and cost that are used or held under a budget."""
        entry = (subject_type, subject, period_start(budget))
        if entry not in self._used:
            query = _USAGE_QUERIES[subject_type, budget.period]
            values = {"subject": subject, "since": entry[2]}
            tokens, cost, held_tokens, held_cost = self._connection.execute(query, values).one()
            used = [int(tokens + held_tokens), int(cost + held_cost)]
            for lease, held in self._held.items():  # changes that are not yet written
                if subject == _subject_id(lease, subject_type):
                    _add(used, held[0] - lease.held[0], held[1] - lease.held[1])
            self._used[entry] = used
        return self._used[entry]


def period_start(budget: Budget) -> str:
    """The first UTC day of the budget's current period, in ISO format; empty for `ever`."""
    today = datetime.now(UTC).date().isoformat()
    return {"day": today, "month": today[:8] + "01", "ever": ""}[budget.period]


def _subjects(lease: BudgetLease) -> list[tuple[str, str, Budget]]:
    return [
        (subject_type, _subject_id(lease, subject_type), budget)
        for subject_type, budget in zip(_COLUMNS, lease.budgets, strict=True)
        if budget is not None
    ]


def _subject_id(lease: BudgetLease, subject_type: str) -> str:
    return lease.key_id if subject_type == "key" else lease.project


def _limits(budget: Budget) -> tuple[int | None, int | None]:
    return budget.tokens, None if budget.money is None else to_nanos(budget.money)


def _add(amounts: list[int], tokens: int, cost: int) -> None:
    amounts[0] += tokens
    amounts[1] += cost
