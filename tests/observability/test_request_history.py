"""The history of the last hour: its intervals, its bounds, and its lists of requests."""

import random

import pytest

from forefront.gateway.ledger.settlement import LedgerRow
from forefront.observability.quantile_sketch import QuantileSketch, merge_sketches
from forefront.observability.request_history import (
    INTERVAL,
    INTERVALS,
    MAX_FAILED,
    MAX_GROUPS,
    MAX_SLOWEST,
    OTHER,
    RequestHistory,
)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(clock: Clock) -> RequestHistory:
    return RequestHistory(clock)


def row(clock: Clock, seconds: float = 1.0, name: str = "id", key: str = "key", model: str = "m") -> LedgerRow:
    start = clock.now - seconds
    return LedgerRow(name, key, "p", model, "completed", "stop", 10, 4, 5, 0, 7, start, start, clock.now)


def test_requests_are_summed_in_intervals(history: RequestHistory, clock: Clock) -> None:
    history.add(row(clock), None, 0.2, 0.01)
    history.add(row(clock), None, 0.4)
    clock.now += INTERVAL
    history.add(row(clock, model="other"), "engine_failed")
    first, second = history.snapshot()
    [(name, sums)] = first.groups.items()
    assert name == ("m", "p", "key")
    assert (sums.requests, sums.input_tokens, sums.cached_tokens, sums.output_tokens) == (2, 20, 8, 10)
    assert (sums.cost_nanos, sums.errors, sums.first_token.count, sums.between_tokens.count) == (14, 0, 2, 1)
    assert second.start - first.start == INTERVAL
    assert second.groups["other", "p", "key"].errors == 1


def test_a_snapshot_does_not_change(history: RequestHistory, clock: Clock) -> None:
    history.add(row(clock), None, 0.2)
    [interval] = history.snapshot()
    history.add(row(clock), None, 0.2)
    history.sample(3, 4, {"overloaded": 2})
    sums = interval.groups["m", "p", "key"]
    assert (sums.requests, sums.first_token.count, interval.running, interval.errors.total()) == (1, 1, 0, 0)


def test_history_covers_an_hour(history: RequestHistory, clock: Clock) -> None:
    for number in range(2 * INTERVALS):
        history.add(row(clock, seconds=1000 - number, name=str(number)), "engine_failed")
        clock.now += INTERVAL
    assert len(history.snapshot()) <= INTERVALS
    clock.now += INTERVAL * INTERVALS // 2
    assert len(history.snapshot()) == pytest.approx(INTERVALS // 2, abs=1)
    assert len(history.failed()) == pytest.approx(INTERVALS // 2, abs=1)
    first, second, *_ = (int(request.id) for request in history.slowest())
    assert (first, second) == (2 * INTERVALS - INTERVALS // 2 + 1, 2 * INTERVALS - INTERVALS // 2 + 2)
    clock.now += INTERVAL * INTERVALS
    assert (history.snapshot(), history.failed(), history.slowest()) == ([], [], [])


def test_memory_is_bounded(history: RequestHistory, clock: Clock) -> None:
    for number in range(MAX_GROUPS + 300):
        history.add(row(clock, key=f"key_{number}"), "engine_failed")
        history.add_refused(row(clock), "insufficient_credits")
    [interval] = history.snapshot()
    assert len(interval.groups) <= MAX_GROUPS + 1
    assert sum(sums.requests for sums in interval.groups.values()) == MAX_GROUPS + 300
    assert interval.groups["m", OTHER, OTHER].requests > 200
    assert (len(history.failed()), len(history.slowest())) == (MAX_FAILED, MAX_SLOWEST)


def test_the_slowest_come_first(history: RequestHistory, clock: Clock) -> None:
    seconds = list(range(1, 200))
    random.Random(1).shuffle(seconds)
    for number in seconds:
        history.add(row(clock, seconds=number, name=str(number)), None)
        clock.now += 0.9
    assert [int(request.id) for request in history.slowest()] == list(range(199, 199 - MAX_SLOWEST, -1))


def test_load_and_errors_are_sampled(history: RequestHistory, clock: Clock) -> None:
    for running, errors in ((1, {}), (5, {"overloaded": 2}), (2, {"overloaded": 3, "invalid_json": 1})):
        history.sample(running, running - 1, errors)
    clock.now += INTERVAL
    history.sample(0, 0, {"overloaded": 4, "invalid_json": 1})
    first, second = history.snapshot()
    assert (first.running, first.waiting, dict(first.errors)) == (5, 4, {"overloaded": 3, "invalid_json": 1})
    assert (second.running, dict(second.errors)) == (0, {"overloaded": 1})


def test_quantiles_are_within_five_percent() -> None:
    rng = random.Random(7)
    values = [rng.lognormvariate(-2, 1.5) for _ in range(5000)]
    sketches = [QuantileSketch() for _ in range(3)]
    for number, value in enumerate(values):
        sketches[number % 3].add(value)
    sketch, ordered = merge_sketches(sketches), sorted(values)
    for share in (0.0, 0.5, 0.95, 0.99):
        assert sketch.quantile(share) == pytest.approx(ordered[int(share * (len(values) - 1))], rel=0.051)
    assert sketch.count == 5000
    assert sketch.sum == pytest.approx(sum(values))
    assert QuantileSketch().quantile(0.5) is None
