"""The ledger's statements: what one group of settlements and reservations reads and writes, in one transaction.

They are made once: to put one together takes longer than to carry it out. What is made for each request is a struct of
msgspec, here and in the rest of the gateway: it takes a third of the time that a frozen dataclass does.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from forefront.gateway.ledger.liveness import Silence
from forefront.gateway.store.bulk_insert import Bulk
from forefront.gateway.store.tables import completions, days, instances, months, reservations
from forefront.wire.admin import Budget, Status

# A server that has not been heard of for this long, in seconds, is taken for dead.
DEAD_AFTER = 90.0
_DAY = 86_400
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SUMS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")
_ROWS = Bulk(completions)
_values, _amounts = attrgetter(*_ROWS.columns), attrgetter(*_SUMS)
_DAYS = Bulk(days, added=("requests", *_SUMS))
_MONTHS = Bulk(months, added=("tokens", "cost"))
_THERE = sa.select(completions.c.id, completions.c.status, completions.c.cost).where(
    completions.c.id.in_(sa.bindparam("ids", expanding=True))
)
_TAKE_BACK = (
    sa.update(completions)
    .where(completions.c.id == sa.bindparam("row"))
    .values(status="failed", finish_reason=None, cost=0)
)
_HOLDERS = sa.select(reservations.c.instance).distinct()


class Row(msgspec.Struct):
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

    def withheld(self) -> "Row":
        """The same of an answer whose end was never shown: it has failed, and costs nothing."""
        return msgspec.structs.replace(self, status="failed", finish_reason=None, cost=0)


class Reservation(msgspec.Struct, frozen=True):
    """What one request may cost at most, and the budgets that must have room for it."""

    key: str
    project: str
    tokens: int
    cost: int
    key_budget: Budget | None
    project_budget: Budget | None


class Refusal(msgspec.Struct, frozen=True):
    """Why a reservation was refused: `left` of the `limit` of `unit` is less than the `wanted`."""

    of: str
    unit: str
    period: str
    limit: float
    left: float
    wanted: float


def settle(connection: sa.Connection, rows: Sequence[Row], *, again: bool) -> None:
    """Write the rows and add them to the sums of their days and months.

    With `again`, rows that are already there are left alone, since an earlier try may have been committed although it
    seemed to fail; unless whoever asked has been told of a failure meanwhile, which costs nothing.
    """
    if again:
        rows = _not_there(connection, rows)
    if rows:
        _ROWS.insert(connection, [_values(row) for row in rows])
        _add_up(connection, _by_day(rows))


def period_start(budget: Budget) -> str:
    """The first UTC day of the budget's current period."""
    today = datetime.now(UTC).date().isoformat()
    return {"day": today, "month": today[:8] + "01", "ever": ""}[budget.period]


def report_alive(connection: sa.Connection, instance: str, silence: Silence) -> bool:
    """Say that this server lives, and give back what servers that do not had reserved. Whether it was known.

    Dead are those whose process on this machine is gone, and those whose `silence` has lasted too long; also one that
    was taken for dead before, came back, and died before it said so.
    """
    now, host = time.time(), _host()
    others = connection.execute(sa.select(instances).where(instances.c.id != instance)).all()
    unknown = set(connection.execute(_HOLDERS).scalars()) - {instance, *(other.id for other in others)}
    silent = silence.listen({other.id: other.seen for other in others} | dict.fromkeys(unknown, 0.0))
    gone = {other.id for other in others if other.host == host and not _runs(other.pid)}
    gone |= {name for name, seconds in silent.items() if seconds > DEAD_AFTER}
    for name in gone:
        connection.execute(sa.delete(reservations).where(reservations.c.instance == name))
        connection.execute(sa.delete(instances).where(instances.c.id == name))
    changed = connection.execute(sa.update(instances).where(instances.c.id == instance).values(seen=now))
    if changed.rowcount:
        return True
    connection.execute(sa.insert(instances).values(id=instance, host=host, pid=os.getpid(), seen=now))
    return False


def find_living(connection: sa.Connection) -> tuple[str, int] | None:
    """The machine's name and the process of a server that uses the store and may live, for a program that has not
    listened until now: it was heard of lately, by the machines' clocks, and its process is not known to be gone."""
    now, host = time.time(), _host()
    for other in connection.execute(sa.select(instances)).all():
        # Versions before schema 0002 did not write when their machine began.
        here = other.host == host or other.host == host.rpartition(" ")[0]
        if abs(now - other.seen) <= DEAD_AFTER and not (here and not _runs(other.pid)):
            return other.host.partition(" ")[0], other.pid
    return None


def forget_all(connection: sa.Connection) -> None:
    """Forget every server and what they had reserved."""
    connection.execute(sa.delete(reservations))
    connection.execute(sa.delete(instances))


def leave(connection: sa.Connection, instance: str) -> None:
    """Forget this server and what it had reserved."""
    connection.execute(sa.delete(reservations).where(reservations.c.instance == instance))
    connection.execute(sa.delete(instances).where(instances.c.id == instance))


def _host() -> str:
    """Where the numbers of processes are the same: containers of one host name each have their own, and machines of
    one name too."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')} {_BOOT.read_text().strip()}"
    except OSError:
        return socket.gethostname()


def _not_there(connection: sa.Connection, rows: Sequence[Row]) -> list[Row]:
    """The rows that have not been written, each once. Takes back what has been and is a failure now."""
    newest = {row.id: row for row in rows}
    for ids in _chunks(list(newest)):
        for there in connection.execute(_THERE, {"ids": ids}).all():
            row = newest.pop(there.id)
            if row.status == "failed" and there.status == "completed":
                connection.execute(_TAKE_BACK, {"row": row.id})
                less = (0, 0, 0, 0, 0, -there.cost)
                _add_up(connection, [(_day(row.finished), row.key, row.project, row.model, *less)])
    return list(newest.values())


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


def _add_up(connection: sa.Connection, by_day: Sequence[tuple[Any, ...]]) -> None:
    """Add to the sums of days, and to those that budgets read."""
    _DAYS.insert(connection, by_day)
    sums: dict[tuple[str, str, str], list[int]] = {}
    for day, key, project, _model, _requests, given, _cached, sampled, _reasoning, cost in by_day:
        for subject in (("key", key, day[:7]), ("project", project, day[:7])):
            own = sums.setdefault(subject, [0, 0])
            own[0] += given + sampled
            own[1] += cost
    _MONTHS.insert(connection, [(*subject, *own) for subject, own in sums.items()])


def _by_day(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for row in rows:
        own = sums.setdefault((_day(row.finished), row.key, row.project, row.model), [0] * 6)
        for place, amount in enumerate((1, *_amounts(row))):
            own[place] += amount
    return [(*group, *own) for group, own in sums.items()]


def _day(time_: float) -> str:
    return _day_of(int(time_ // _DAY))


@lru_cache(4)
def _day_of(number: int) -> str:
    """A UTC day, counted from the first of 1970."""
    return datetime.fromtimestamp(number * _DAY, UTC).date().isoformat()
