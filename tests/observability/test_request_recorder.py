"""The recorder of a request: what counts as running and waiting, and which latencies an end adds."""

import pytest

from forefront.gateway.ledger.settlement import LedgerRow
from forefront.observability import request_recorder
from forefront.observability.request_recorder import RequestRecorder
from forefront.observability.server_metrics import ModelMetrics
from forefront.wire.admin.records import CompletionStatus


class Clock:
    """A clock that tests set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(request_recorder, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def row(status: CompletionStatus = "completed", reason: str | None = "length", output: int = 5) -> LedgerRow:
    return LedgerRow("id", "key", "project", "m", status, reason, 10, 4, output, 2, 7, 0.0, None, 0.0)


def test_the_times_of_a_request(clock: Clock) -> None:
    metrics = ModelMetrics()
    recorder = RequestRecorder(metrics)
    clock.now += 1
    recorder.enqueued()
    assert (metrics.waiting, metrics.running) == (1, 0)
    clock.now += 2
    recorder.admitted()
    assert (metrics.waiting, metrics.running) == (0, 1)
    clock.now += 4
    recorder.first_token()
    for _ in range(5):
        recorder.delta(0)
        clock.now += 0.5
    recorder.computed()
    assert metrics.running == 0
    clock.now += 8  # a slow client or a slow ledger is no decode time
    recorder.finish(row(), None)
    sums = (
        metrics.queue_time.sum,
        metrics.time_to_first_token.sum,
        metrics.prefill_time.sum,
        metrics.decode_time.sum,
        metrics.time_per_output_token.sum,
        metrics.inter_token_latency.sum,
        metrics.request_latency.sum,
    )
    assert sums == pytest.approx((3, 7, 4, 2.5, 2.5 / 4, 2.0, 17.5))
    assert metrics.inter_token_latency.count == 4
    assert metrics.finished == {"length": 1}
    counts = (metrics.prompt_tokens, metrics.cached_tokens, metrics.generation_tokens, metrics.reasoning_tokens)
    assert counts == (10, 4, 5, 2)
    assert metrics.cost_nanos == 7


def test_choices_that_are_computed_together_count_once(clock: Clock) -> None:
    metrics = ModelMetrics()
    recorder = RequestRecorder(metrics)
    recorder.enqueued()
    recorder.admitted()
    recorder.first_token()
    for _ in range(5):
        recorder.delta(0)
        for choice in (1, 2):
            recorder.delta(choice)
        clock.now += 1
    recorder.finish(row(output=15), None)
    assert (metrics.inter_token_latency.count, metrics.inter_token_latency.sum) == (4, 4)
    assert metrics.time_per_output_token.sum == pytest.approx(5 / 4)


@pytest.mark.parametrize(("status", "reason"), [("aborted", "abort"), ("failed", "error")])
def test_requests_that_do_not_complete_have_their_reason(clock: Clock, status: CompletionStatus, reason: str) -> None:
    metrics = ModelMetrics()
    recorder = RequestRecorder(metrics)
    recorder.enqueued()
    recorder.admitted()
    recorder.finish(row(status, None, 0), "engine_failed")
    assert metrics.finished == {reason: 1}
    assert metrics.running == 0
    assert metrics.time_to_first_token.count == metrics.decode_time.count == 0


@pytest.mark.parametrize("calls", [[], ["enqueued"], ["enqueued", "admitted"], ["enqueued", "admitted", "computed"]])
def test_discarding_twice_leaves_no_running_or_waiting_request(calls: list[str]) -> None:
    metrics = ModelMetrics()
    recorder = RequestRecorder(metrics)
    for call in calls:
        getattr(recorder, call)()
    recorder.discard(None, None)
    recorder.discard(None, None)
    assert (metrics.running, metrics.waiting) == (0, 0)


def test_the_engine_may_finish_before_the_first_token_is_read(clock: Clock) -> None:
    metrics = ModelMetrics()
    recorder = RequestRecorder(metrics)
    recorder.enqueued()
    recorder.admitted()
    recorder.computed()
    clock.now += 1
    recorder.first_token()
    recorder.delta(0)
    recorder.finish(row(), None)
    assert metrics.decode_time.sum == 0
    assert metrics.time_per_output_token.count == 0


def test_every_interval_of_a_long_answer_counts_once(clock: Clock) -> None:
    metrics = ModelMetrics()
    recorder = RequestRecorder(metrics)
    for _ in range(3000):
        recorder.delta(0)
        clock.now += 0.25
        assert len(recorder._times) < 1000
    recorder.finish(row(), None)
    assert metrics.inter_token_latency.count == 2999
    assert metrics.inter_token_latency.sum == pytest.approx(2999 / 4)


def test_answers_without_streams_have_no_token_interval(clock: Clock) -> None:
    metrics = ModelMetrics()
    for deltas in (0, 1, 3, 2, 1):
        recorder = RequestRecorder(metrics)
        for _ in range(deltas):
            recorder.delta(0)
            clock.now += 1
        recorder.finish(row(), None)
        clock.now += 100
    assert (metrics.inter_token_latency.count, metrics.inter_token_latency.sum) == (3, 3)
