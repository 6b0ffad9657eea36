"""Series of values over time, from the history of the last hour or from the ledger."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from forefront.gateway.ledger.pricing import from_nanos
from forefront.gateway.ledger.usage_history import MAX_GROUPS, OTHER, LedgerHistory, LedgerPoint, UsageFilter
from forefront.observability.quantile_sketch import QuantileSketch, merge_sketches
from forefront.observability.request_history import INTERVAL, INTERVALS, GroupSums, HistoryInterval
from forefront.wire.admin.history import HistoryGroup, HistoryRange, LatencySeries, UsageHistory, UsageSeries

T = TypeVar("T")

_DIGITS = 6  # of latencies in seconds


def hour_history(intervals: Sequence[HistoryInterval], by: HistoryGroup, only: UsageFilter, now: float) -> UsageHistory:
    """The last hour on this server, up to the interval of `now`."""
    start = (int(now) // INTERVAL - INTERVALS + 1) * INTERVAL
    indexed = {(interval.start - start) // INTERVAL: interval for interval in intervals}
    places = [indexed.get(index) for index in range(INTERVALS)]
    names = _largest(intervals, by, only)
    by_group = [_grouped(place, by, only, names) for place in places]
    return UsageHistory(
        range="hour",
        by=by,
        start=start,
        step=INTERVAL,
        now=now,
        total=_measured([[sums for part in groups.values() for sums in part] for groups in by_group]),
        groups={name: _measured([groups.get(name, []) for groups in by_group]) for name in names},
        running=[0 if place is None else place.running for place in places],
        waiting=[0 if place is None else place.waiting for place in places],
        error_codes={
            code: [0 if place is None else place.errors[code] for place in places]
            for code in sorted({code for interval in intervals for code in interval.errors})
        },
    )


def ledger_history(history: LedgerHistory, range_: HistoryRange, by: HistoryGroup, now: float) -> UsageHistory:
    """The history of a longer range from the ledger."""
    requests = {name: sum(point.requests for point in points.values()) for name, points in history.points.items()}
    names = sorted(requests, key=lambda name: (name == OTHER, -requests[name], name))
    series = {name: _settled([[*_some(history.points[name].get(i))] for i in range(history.length)]) for name in names}
    every = [[*(points[i] for points in history.points.values() if i in points)] for i in range(history.length)]
    return UsageHistory(
        range=range_, by=by, start=history.start, step=history.step, now=now, total=_settled(every), groups=series
    )


def _largest(intervals: Iterable[HistoryInterval], by: HistoryGroup, only: UsageFilter) -> list[str]:
    """The groups with the most requests, then `(other)` if there are more."""
    requests: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for interval in intervals:
        for subject, sums in interval.groups.items():
            if _matches(subject, only):
                requests[_name(subject, by)] += sums.requests
                errors[_name(subject, by)] += sums.errors
    ordered = sorted(requests, key=lambda name: (name == OTHER, -requests[name], -errors[name], name))
    return ordered if len(ordered) <= MAX_GROUPS else [*(n for n in ordered[:MAX_GROUPS] if n != OTHER), OTHER]


def _grouped(
    interval: HistoryInterval | None, by: HistoryGroup, only: UsageFilter, names: Sequence[str]
) -> dict[str, list[GroupSums]]:
    groups: dict[str, list[GroupSums]] = {}
    if interval is not None:
        for subject, sums in interval.groups.items():
            if _matches(subject, only):
                name = _name(subject, by)
                groups.setdefault(name if name in names else OTHER, []).append(sums)
    return groups


def _matches(subject: tuple[str, str, str], only: UsageFilter) -> bool:
    wanted = (only.model, only.project, only.key)
    return all(value is None or value == name for value, name in zip(wanted, subject, strict=True))


def _name(subject: tuple[str, str, str], by: HistoryGroup) -> str:
    return subject[("model", "project", "key").index(by)]


def _measured(parts: Sequence[Sequence[GroupSums]]) -> UsageSeries:
    """The series of a group, with the sums of each interval."""
    return UsageSeries(
        requests=_sum(parts, lambda sums: sums.requests),
        errors=_sum(parts, lambda sums: sums.errors),
        input_tokens=_sum(parts, lambda sums: sums.input_tokens),
        cached_tokens=_sum(parts, lambda sums: sums.cached_tokens),
        output_tokens=_sum(parts, lambda sums: sums.output_tokens),
        cost=[from_nanos(nanos) for nanos in _sum(parts, lambda sums: sums.cost_nanos)],
        time_to_first_token=_latencies([[sums.first_token for sums in part] for part in parts]),
        inter_token_latency=_latencies([[sums.between_tokens for sums in part] for part in parts]),
    )


def _latencies(parts: Iterable[Sequence[QuantileSketch]]) -> LatencySeries:
    sketches = [merge_sketches(part) if part else None for part in parts]  # most intervals of a quiet server are empty
    return LatencySeries(
        mean=[None if sketch is None else _mean(sketch.sum, sketch.count) for sketch in sketches],
        p50=[None if sketch is None else _rounded(sketch.quantile(0.5)) for sketch in sketches],
        p95=[None if sketch is None else _rounded(sketch.quantile(0.95)) for sketch in sketches],
    )


def _settled(parts: Sequence[Sequence[LedgerPoint]]) -> UsageSeries:
    return UsageSeries(
        requests=_sum(parts, lambda point: point.requests),
        errors=[] if _unkept(parts) else _sum(parts, lambda point: point.failed or 0),
        input_tokens=_sum(parts, lambda point: point.input_tokens),
        cached_tokens=_sum(parts, lambda point: point.cached_tokens),
        output_tokens=_sum(parts, lambda point: point.output_tokens),
        cost=[from_nanos(nanos) for nanos in _sum(parts, lambda point: point.cost_nanos)],
        time_to_first_token=_means(parts, lambda point: point.first_token),
        inter_token_latency=_means(parts, lambda point: point.between_tokens),
    )


def _means(
    parts: Sequence[Sequence[LedgerPoint]], value: Callable[[LedgerPoint], tuple[float, int] | None]
) -> LatencySeries:
    if _unkept(parts):
        return LatencySeries()
    sums = [[value(point) or (0.0, 0) for point in part] for part in parts]
    return LatencySeries(mean=[_mean(sum(s for s, _ in part), sum(n for _, n in part)) for part in sums])


def _unkept(parts: Iterable[Iterable[LedgerPoint]]) -> bool:
    """Whether the points come from sums that have neither latencies nor failures."""
    return any(point.failed is None for part in parts for point in part)


def _sum(parts: Iterable[Iterable[T]], value: Callable[[T], int]) -> list[int]:
    return [sum(map(value, part)) for part in parts]


def _some(point: LedgerPoint | None) -> tuple[LedgerPoint, ...]:
    return () if point is None else (point,)


def _mean(total: float, number: int) -> float | None:
    return _rounded(total / number) if number else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
