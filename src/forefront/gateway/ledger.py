"""The ledger's statements: what one group of settlements and reservations reads and writes, in one transaction.

They are made once: to put one together takes longer than to carry it out.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from forefront.gateway.money import from_nanos, to_nanos
from forefront.gateway.tables import completions, days, instances, reservations
from forefront.wire.admin import Budget, Status

# A server that has not been heard of for this long, in seconds, is taken for dead.
DEAD_AFTER = 90.0
_SUMS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")
_COLUMNS = tuple(column.name for column in completions.columns)


def _add_to_days(dialect: ModuleType) -> Any:
    new = dialect.insert(days)
    added = {name: days.c[name] + new.excluded[name] for name in ("requests", *_SUMS)}
    return new.on_conflict_do_update(index_elements=[column.name for column in days.primary_key], set_=added)


def _used(kind: str) -> sa.Select[Any]:
    """Tokens and cost of one key or project: spent `since` a day, and held."""
    mine: sa.BindParameter[str] = sa.bindparam("name")
    since: sa.BindParameter[str] = sa.bindparam("since")
    spent = (days.c[kind] == mine) & (days.c.day >= since)
    sums = [
        sa.select(sa.func.coalesce(sa.func.sum(column), 0)).where(where).scalar_subquery()
        for column, where in (
            (days.c.input_tokens + days.c.output_tokens, spent),
            (days.c.cost, spent),
            (reservations.c.tokens, reservations.c[kind] == mine),
            (reservations.c.cost, reservations.c[kind] == mine),
        )
    ]
    return sa.select(*sums)


_INSERT_ROWS = sa.insert(completions)
_ADD_TO_DAYS = {"sqlite": _add_to_days(sqlite), "postgresql": _add_to_days(postgresql)}
_INSERT_HELD = sa.insert(reservations)
_GIVE_BACK = sa.delete(reservations).where(reservations.c.completion.in_(sa.bindparam("ids", expanding=True)))
_THERE = sa.select(completions.c.id).where(completions.c.id.in_(sa.bindparam("ids", expanding=True)))
_USED = {kind: _used(kind) for kind in ("key", "project")}


@dataclass(slots=True)
class Row:
    """One completion. Times are seconds since 1970, `cost` is in billionths of the unit."""

    id: str
    key: str
    project: str
    model: str
    status: Status
    finish_reason: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: int
    received: float
    started: float | None
    finished: float

    def values(self) -> dict[str, Any]:
        """The columns."""
        return {name: getattr(self, name) for name in _COLUMNS}


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request may cost at most, and the budgets that must have room for it."""

    completion: str
    key: str
    project: str
    tokens: int
    cost: int
    key_budget: Budget | None
    project_budget: Budget | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a reservation was refused: `left` of the `limit` of `unit` is less than the `wanted`."""

    of: str
    unit: str
    period: str
    limit: float
    left: float
    wanted: float


def settle(connection: sa.Connection, rows: Sequence[Row], *, again: bool) -> None:
    """Write the rows and add them to their days' sums. With `again`, rows that are already there are left alone: an
    earlier try may have been committed although it seemed to fail."""
    if again and rows:
        written: set[str] = set()
        for ids in _chunks([row.id for row in rows]):
            written.update(connection.execute(_THERE, {"ids": ids}).scalars())
        rows = [row for row in rows if row.id not in written]
    if rows:
        connection.execute(_INSERT_ROWS, [row.values() for row in rows])
        connection.execute(_ADD_TO_DAYS[connection.dialect.name], _by_day(rows))


def give_back(connection: sa.Connection, completion_ids: Sequence[str]) -> None:
    """Delete reservations."""
    for ids in _chunks(completion_ids):
        connection.execute(_GIVE_BACK, {"ids": ids})


def reserve(connection: sa.Connection, instance: str, wanted: Sequence[Reservation]) -> list[Refusal | None]:
    """Hold what fits into the budgets, in order; for each, None or why not."""
    books = _Books(connection)
    refusals = [books.take(reservation) for reservation in wanted]
    held = [
        {
            "completion": reservation.completion,
            "instance": instance,
            "key": reservation.key,
            "project": reservation.project,
            "tokens": reservation.tokens,
            "cost": reservation.cost,
        }
        for reservation, refusal in zip(wanted, refusals, strict=True)
        if refusal is None
    ]
    if held:
        connection.execute(_INSERT_HELD, held)
    return refusals


class _Books:
    """What has been used and is held under each budget, read once per transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._used: dict[tuple[str, str], list[int]] = {}

    def take(self, reservation: Reservation) -> Refusal | None:
        subjects = [("key", reservation.key, reservation.key_budget)]
        subjects.append(("project", reservation.project, reservation.project_budget))
        for kind, name, budget in subjects:
            if budget is not None and (refusal := self._refusal(kind, name, budget, reservation)):
                return refusal
        for kind, name, budget in subjects:
            if budget is not None:
                used = self._read(kind, name, budget)
                used[0] += reservation.tokens
                used[1] += reservation.cost
        return None

    def _refusal(self, kind: str, name: str, budget: Budget, wanted: Reservation) -> Refusal | None:
        tokens, cost = self._read(kind, name, budget)
        if budget.tokens is not None and tokens + wanted.tokens > budget.tokens:
            left = max(budget.tokens - tokens, 0)
            return Refusal(kind, "tokens", budget.period, budget.tokens, left, wanted.tokens)
        if budget.money is not None and cost + wanted.cost > (limit := to_nanos(budget.money)):
            left_money = from_nanos(max(limit - cost, 0))
            return Refusal(kind, "money", budget.period, budget.money, left_money, from_nanos(wanted.cost))
        # A request that costs nothing is still refused once the money is gone: the budget is a door, not a price.
        return None

    def _read(self, kind: str, name: str, budget: Budget) -> list[int]:
        if (kind, name) not in self._used:
            wanted = {"name": name, "since": period_start(budget)}
            tokens, cost, held_tokens, held_cost = self._connection.execute(_USED[kind], wanted).one()
            self._used[kind, name] = [int(tokens + held_tokens), int(cost + held_cost)]
        return self._used[kind, name]


def period_start(budget: Budget) -> str:
    """The first UTC day of the budget's current period."""
    today = datetime.now(UTC).date().isoformat()
    return {"day": today, "month": today[:8] + "01", "ever": ""}[budget.period]


def report_alive(connection: sa.Connection, instance: str) -> None:
    """Say that this server lives, and give back what servers that do not had reserved."""
    now, host = time.time(), socket.gethostname()
    for other in connection.execute(sa.select(instances).where(instances.c.id != instance)).all():
        if now - other.seen > DEAD_AFTER or (other.host == host and not _runs(other.pid)):
            connection.execute(sa.delete(reservations).where(reservations.c.instance == other.id))
            connection.execute(sa.delete(instances).where(instances.c.id == other.id))
    changed = connection.execute(sa.update(instances).where(instances.c.id == instance).values(seen=now))
    if not changed.rowcount:
        connection.execute(sa.insert(instances).values(id=instance, host=host, pid=os.getpid(), seen=now))


def leave(connection: sa.Connection, instance: str) -> None:
    """Forget this server and what it had reserved."""
    connection.execute(sa.delete(reservations).where(reservations.c.instance == instance))
    connection.execute(sa.delete(instances).where(instances.c.id == instance))


def _runs(pid: int) -> bool:
    if pid == os.getpid():
        return False  # an earlier process had the number that is ours now
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as a statement can name; after a failure there may be more."""
    return (ids[start : start + 1000] for start in range(0, len(ids), 1000))


def _by_day(rows: Sequence[Row]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str, str, str], dict[str, int]] = {}
    for row in rows:
        day = datetime.fromtimestamp(row.finished, UTC).date().isoformat()
        own = sums.setdefault((day, row.key, row.project, row.model), dict.fromkeys(("requests", *_SUMS), 0))
        own["requests"] += 1
        for name in _SUMS:
            own[name] += getattr(row, name)
    return [dict(zip(("day", "key", "project", "model"), group, strict=True)) | own for group, own in sums.items()]
