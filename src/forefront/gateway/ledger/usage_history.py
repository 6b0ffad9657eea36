"""Usage over time from the ledger: half hours of the last day, or days of the last month."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import completions, daily_usage
from forefront.wire.admin.history import HistoryGroup

OTHER: Final = "(other)"
MAX_GROUPS: Final = 8
_HALF_HOUR: Final = 1800
_HALF_HOURS: Final = 48
_DAYS: Final = 30
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Only one model, project or key."""

    model: str | None = None
    project: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerPoint:
    """The sums of a group in one interval. The latencies are sums of seconds, with their numbers of values; None where
    the ledger does not keep them."""

    requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_nanos: int
    failed: int | None = None
    first_token: tuple[float, int] | None = None
    between_tokens: tuple[float, int] | None = None


@dataclass(frozen=True, slots=True)
class LedgerHistory:
    """Points by group and interval: interval 0 begins at `start`, each takes `step` seconds, and there are `length`."""

    start: int
    step: int
    length: int
    points: dict[str, dict[int, LedgerPoint]] = field(default_factory=dict)


class LedgerHistories:
    """Blocking calls. All raise `StoreError` when the database fails. `clock` is in seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def day(self, by: HistoryGroup, only: UsageFilter) -> LedgerHistory:
        """The last 24 hours, from `completions`: rows that `forefront prune` has deleted are missing."""
        table, now = completions.c, int(self._clock())
        start = (now // _HALF_HOUR - _HALF_HOURS) * _HALF_HOUR
        interval = (sa.cast(table.finished_at, sa.BigInteger) - start) // _HALF_HOUR
        first = sa.case((table.first_token_at.is_not(None), table.first_token_at - table.received_at))
        long = (table.output_tokens > 1) & table.first_token_at.is_not(None)
        measured = [
            sa.func.count().label("requests"),
            sa.func.sum(sa.case((table.status == "failed", 1), else_=0)).label("failed"),
            sa.func.sum(first).label("first_sum"),
            sa.func.count(first).label("first_count"),
            sa.func.sum(sa.case((long, table.finished_at - table.first_token_at))).label("between_sum"),
            sa.func.sum(sa.case((long, table.output_tokens - 1))).label("between_count"),
        ]
        since = table.finished_at >= start
        history = LedgerHistory(start, _HALF_HOUR, _HALF_HOURS + 1)
        requests = sa.func.count()
        return self._read(history, _Source(table, interval, since, requests, measured), by, only)

    def month(self, by: HistoryGroup, only: UsageFilter) -> LedgerHistory:
        """The last 30 days in UTC, from `daily_usage`, which has neither latencies nor failures."""
        table = daily_usage.c
        first = datetime.fromtimestamp(self._clock(), UTC).date() - timedelta(days=_DAYS - 1)
        start = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
        history = LedgerHistory(start, _DAY, _DAYS)
        requests = sa.func.sum(table.requests)
        source = _Source(table, table.day, table.day >= first.isoformat(), requests, [requests.label("requests")])
        return self._read(history, source, by, only)

    def _read(self, history: LedgerHistory, source: "_Source", by: HistoryGroup, only: UsageFilter) -> LedgerHistory:
        column = source.table["key_id" if by == "key" else by]
        where = [source.since, *_conditions(source.table, only)]
        with self._database.read() as connection:
            largest = sa.select(column).where(*where).group_by(column).order_by(source.requests.desc(), column)
            names = list(connection.execute(largest.limit(MAX_GROUPS)).scalars())
            group = sa.case((column.in_(names), column), else_=OTHER).label("group_name")
            sums = [sa.func.sum(source.table[name]).label(name) for name in _SUMS]
            query = sa.select(group, source.interval.label("interval"), *sums, *source.measured)
            query = query.where(*where).group_by(sa.literal_column("1"), sa.literal_column("2"))
            for row in connection.execute(query).mappings():
                index = _index(row["interval"], history)
                if 0 <= index < history.length:
                    history.points.setdefault(row["group_name"], {})[index] = _point(row)
        return history


_SUMS: Final = ("input_tokens", "cached_tokens", "output_tokens", "cost_nanos")


@dataclass(frozen=True, slots=True)
class _Source:
    """A table with its interval, the condition of its time, and the columns that are summed beside tokens and cost."""

    table: Any
    interval: Any
    since: Any
    requests: Any
    measured: list[Any]


def _conditions(table: Any, only: UsageFilter) -> list[Any]:
    wanted = {"model": only.model, "project": only.project, "key_id": only.key}
    return [table[name] == value for name, value in wanted.items() if value is not None]


def _index(interval: int | str, history: LedgerHistory) -> int:
    if isinstance(interval, str):
        day = datetime.fromisoformat(interval).replace(tzinfo=UTC)
        return (int(day.timestamp()) - history.start) // history.step
    return int(interval)


def _point(row: sa.RowMapping) -> LedgerPoint:
    sums = LedgerPoint(
        int(row["requests"]),
        int(row["input_tokens"]),
        int(row["cached_tokens"]),
        int(row["output_tokens"]),
        int(row["cost_nanos"]),
    )
    if "failed" not in row:
        return sums
    first = (float(row["first_sum"] or 0), int(row["first_count"]))
    between = (float(row["between_sum"] or 0), int(row["between_count"] or 0))
    return replace(sums, failed=int(row["failed"]), first_token=first, between_tokens=between)
