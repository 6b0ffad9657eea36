"""What has been used and is held under each budget: read once per transaction, changed, and written at its end."""

import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from forefront.gateway.ledger.budget_lease import Allotment, Hold
from forefront.gateway.ledger.pricing import from_nanos, to_nanos
from forefront.gateway.ledger.statements import Refusal, period_start
from forefront.gateway.store.bulk_insert import Bulk
from forefront.gateway.store.tables import days, months, reservations
from forefront.wire.admin import Budget

# An allotment is worth this many times the requests of one commit, and at most one part in so many of what is left.
_COMMITS = 8
_PARTS = 16
# With less than this share of that size within reach, the end of the budget is near: every request is counted alone.
_NEAR = 0.25
# Other servers spend too: so old, in seconds, may an allotment's last look at the budget be.
_FRESH = 0.2


def _used(kind: str, period: str) -> sa.Select[Any]:
    """Tokens and cost of one key or project: spent `since` a day, and held."""
    mine: sa.BindParameter[str] = sa.bindparam("name")
    since: sa.BindParameter[str] = sa.bindparam("since", type_=sa.String)
    if period == "day":
        tokens, cost = days.c.input_tokens + days.c.output_tokens, days.c.cost
        spent = _sums(tokens, cost).where(days.c[kind] == mine, days.c.day >= since)
    else:
        spent = _sums(months.c.tokens, months.c.cost)
        spent = spent.where(months.c.kind == kind, months.c.name == mine, months.c.month >= sa.func.substr(since, 1, 7))
    held = _sums(reservations.c.tokens, reservations.c.cost).where(reservations.c[kind] == mine)
    one, two = spent.subquery(), held.subquery()
    return sa.select(one, two).select_from(one.join(two, sa.true()))


def _sums(*columns: sa.ColumnElement[int]) -> sa.Select[Any]:
    sums: list[sa.ColumnElement[Any]] = [sa.func.coalesce(sa.func.sum(column), 0) for column in columns]
    return sa.select(*sums)


_USED = {(kind, period): _used(kind, period) for kind in ("key", "project") for period in ("day", "month", "ever")}
_HELD = Bulk(reservations, replaced=("tokens", "cost"))
_DROP = sa.delete(reservations).where(reservations.c.completion == sa.bindparam("row"))


class Books:
    """One transaction's view of budgets and allotments. Nothing of an allotment changes before `apply`.

    Rows are set to a sum, not changed by a difference: a commit whose outcome is not known can be repeated. `unsure`
    names the allotments of such commits.
    """

    def __init__(self, connection: sa.Connection, instance: str, unsure: Iterable[Allotment] = ()) -> None:
        self._connection, self._instance = connection, instance
        self._used: dict[tuple[str, str, str], list[int]] = {}  # the last is the period's first day
        self._held: dict[Allotment, list[int]] = {}
        self._asked: dict[Allotment, list[int]] = {}
        self.gained: dict[Allotment, list[int]] = {}
        self._rich: dict[Allotment, tuple[bool, list[int]]] = {}
        for allotment in unsure:
            self._held[allotment] = list(allotment.held)
        self.write()

    @property
    def changed(self) -> Iterable[Allotment]:
        """Those of which another amount is held than before."""
        return self._held

    def release(self, hold: Hold, used: tuple[int, int] | None) -> None:
        """Take what was `used` out of the allotment, and what is left of the hold too unless it can be used again.

        With None nothing of it stays.
        """
        allotment = hold.allotment
        keep = [0, 0]
        if used is not None:
            self._ask(hold)
            if allotment.rich and not allotment.retired:
                keep = [max(hold.tokens - used[0], 0), max(hold.cost - used[1], 0)]
        self._change(allotment, keep[0] - hold.tokens, keep[1] - hold.cost)
        _add(self.gained.setdefault(allotment, [0, 0]), *keep)

    def take(self, hold: Hold) -> Refusal | None:
        """Hold it for one request, or say why not."""
        self._ask(hold)
        for kind, name, budget in _subjects(hold.allotment):
            if refusal := self._refusal(kind, name, budget, hold):
                return refusal
        self._change(hold.allotment, hold.tokens, hold.cost)
        return None

    def fill(self) -> None:
        """Bring the allotments that were used to their sizes, as far as the budgets allow it."""
        for allotment, asked in self._asked.items():
            if allotment.retired:
                continue
            gained = self.gained.setdefault(allotment, [0, 0])
            # Read while the event loop takes from it: good enough for a size.
            free = [allotment.free[0] + gained[0], allotment.free[1] + gained[1]]
            short = any(have * 2 < size for have, size in zip(free, allotment.size, strict=True))
            stale = time.monotonic() - allotment.read_at > _FRESH
            seen = all((kind, name, period_start(one)) in self._used for kind, name, one in _subjects(allotment))
            if not seen and not (allotment.rich and (short or stale)):
                continue
            size = [max(_COMMITS * now, before * 7 // 8) for now, before in zip(asked, allotment.size, strict=True)]
            share = self._share(allotment, size)
            self._rich[allotment] = (share >= _NEAR, [int(share * one) for one in size])
            if share >= _NEAR:
                more = [max(int(share * one) - have, 0) for one, have in zip(size, free, strict=True)]
                self._change(allotment, *more)
                _add(gained, *more)

    def apply(self) -> None:
        """The transaction has been committed: so it is, and `changed` are the allotments of which it is."""
        for allotment, held in self._held.items():
            allotment.held = held
        for allotment, (rich, size) in self._rich.items():
            allotment.rich, allotment.size, allotment.read_at = rich, size, time.monotonic()

    def write(self) -> None:
        """Write what is held."""
        there = [one for one, held in self._held.items() if any(held)]
        gone = [one for one, held in self._held.items() if not any(held)]
        if there:
            _HELD.insert(
                self._connection, [(one.id, self._instance, one.key, one.project, *self._held[one]) for one in there]
            )
        if gone:
            self._connection.execute(_DROP, [{"row": one.id} for one in gone])

    def _ask(self, hold: Hold) -> None:
        _add(self._asked.setdefault(hold.allotment, [0, 0]), hold.tokens, hold.cost)

    def _change(self, allotment: Allotment, tokens: int, cost: int) -> None:
        if allotment not in self._held:
            self._held[allotment] = list(allotment.held)
        _add(self._held[allotment], tokens, cost)
        for (kind, name, _), used in self._used.items():
            if name == _name(allotment, kind):
                _add(used, tokens, cost)

    def _share(self, allotment: Allotment, size: list[int]) -> float:
        """How much of `size` one part of what is left is, 1 at most."""
        share = 1.0
        for kind, name, budget in _subjects(allotment):
            used = self._read(kind, name, budget)
            for number, limit in enumerate(_limits(budget)):
                if limit is not None and size[number]:
                    share = min(share, max(limit - used[number], 0) / (_PARTS * size[number]))
        return share

    def _refusal(self, kind: str, name: str, budget: Budget, wanted: Hold) -> Refusal | None:
        tokens, cost = self._read(kind, name, budget)
        if budget.tokens is not None and tokens + wanted.tokens > budget.tokens:
            left = max(budget.tokens - tokens, 0)
            return Refusal(kind, "tokens", budget.period, budget.tokens, left, wanted.tokens)
        if budget.money is not None and cost + wanted.cost > (limit := to_nanos(budget.money)):
            left_money = from_nanos(max(limit - cost, 0))
            return Refusal(kind, "money", budget.period, budget.money, left_money, from_nanos(wanted.cost))
        return None

    def _read(self, kind: str, name: str, budget: Budget) -> list[int]:
        subject = (kind, name, period_start(budget))
        if subject not in self._used:
            wanted = {"name": name, "since": subject[2]}
            tokens, cost, held_tokens, held_cost = self._connection.execute(_USED[kind, budget.period], wanted).one()
            used = [int(tokens + held_tokens), int(cost + held_cost)]
            for allotment, held in self._held.items():  # changed, and not yet written
                if name == _name(allotment, kind):
                    _add(used, held[0] - allotment.held[0], held[1] - allotment.held[1])
            self._used[subject] = used
        return self._used[subject]


def _subjects(allotment: Allotment) -> list[tuple[str, str, Budget]]:
    return [
        (kind, _name(allotment, kind), budget)
        for kind, budget in zip(("key", "project"), allotment.budgets, strict=True)
        if budget is not None
    ]


def _name(allotment: Allotment, kind: str) -> str:
    return allotment.key if kind == "key" else allotment.project


def _limits(budget: Budget) -> tuple[int | None, int | None]:
    return budget.tokens, None if budget.money is None else to_nanos(budget.money)


def _add(amounts: list[int], tokens: int, cost: int) -> None:
    amounts[0] += tokens
    amounts[1] += cost
