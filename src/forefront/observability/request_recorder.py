"""Measures one request: its waits, its tokens and its end."""

import time
from collections.abc import Mapping
from time import monotonic
from typing import Protocol

from forefront.observability.request_history import RequestHistory, SettledRequest
from forefront.observability.server_metrics import ModelMetrics
from forefront.observability.tracing import AttributeValue, RequestSpan, RequestTimes, Tracer

# Times of deltas that a request keeps.
MAX_TIMES = 512
# Reasons of requests that did not complete, by their status in the ledger.
_REASONS = {"aborted": "abort", "failed": "error"}


class FinishedRequest(SettledRequest, Protocol):
    """A request that has ended, as its row in the ledger has it."""

    @property
    def reasoning_tokens(self) -> int:
        """Tokens that were sampled within reasoning."""


class RequestRecorder:
    """The clock of one request, from its arrival to its row in the ledger. Used on the event loop."""

    __slots__ = (
        "_admitted",
        "_choices",
        "_computed",
        "_first",
        "_history",
        "_metrics",
        "_received",
        "_running",
        "_span",
        "_times",
        "_waiting",
        "tracer",
    )

    def __init__(
        self, metrics: ModelMetrics, tracer: Tracer | None = None, history: RequestHistory | None = None
    ) -> None:
        self.tracer = tracer
        self._history = history
        self._span: RequestSpan | None = None
        self._metrics = metrics
        self._received = monotonic()
        self._waiting = self._running = False
        self._admitted = self._first = self._computed = 0.0
        self._choices = 1
        self._times: list[float] = []  # of the deltas of the first choice

    def start_span(self, name: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Start the span of the request, if requests are traced."""
        if self.tracer is not None:
            self._span = self.tracer.start(name, self._unix(self._received), attributes)

    def enqueued(self) -> None:
        """The request waits for a slot."""
        self._waiting = True
        self._metrics.waiting += 1

    def admitted(self) -> None:
        """The request has its slot."""
        self._waiting, self._running = False, True
        metrics = self._metrics
        metrics.waiting -= 1
        metrics.running += 1
        self._admitted = now = monotonic()
        metrics.queue_time.observe(now - self._received)

    def switch(self, metrics: ModelMetrics) -> None:
        """Another model takes over the request before the first token. From here on, the request counts for that
        model."""
        self._metrics.waiting -= self._waiting
        self._metrics.running -= self._running
        self._metrics = metrics
        metrics.waiting += self._waiting
        metrics.running += self._running

    def first_token(self) -> None:
        """The prompt has been read and the first token sampled."""
        self._first = now = monotonic()
        self._metrics.time_to_first_token.observe(now - self._received)
        self._metrics.prefill_time.observe(now - self._admitted)

    def delta(self, choice: int) -> None:
        """A delta of choice number `choice` has arrived. Only the first choice is measured: the others are computed
        with it."""
        if choice:
            self._choices = max(self._choices, choice + 1)
            return
        times = self._times
        times.append(monotonic())
        if len(times) > MAX_TIMES:
            self._count_deltas()

    def computed(self) -> None:
        """The model has done its work for the request. Only the first call counts."""
        if self._running:
            self._running = False
            self._metrics.running -= 1
            self._computed = monotonic()

    def discard(self, failed: SettledRequest | None, error: str | None) -> None:
        """The request has ended without an answer and is in no ledger. `error` is the code of a failure, `failed` the
        request then."""
        self._release()
        if self._history is not None and failed is not None and error is not None:
            self._history.add_refused(failed, error)
        self._end_span({}, error)

    def finish(self, request: FinishedRequest, error: str | None) -> None:
        """The request has ended. `error` is the code of a failure."""
        self._release()
        metrics, output_tokens = self._metrics, request.output_tokens
        reason = _REASONS.get(request.status) or request.finish_reason or "stop"
        metrics.finished[reason] += 1
        metrics.prompt_tokens += request.input_tokens
        metrics.cached_tokens += request.cached_tokens
        metrics.generation_tokens += output_tokens
        metrics.reasoning_tokens += request.reasoning_tokens
        metrics.cost_nanos += request.cost_nanos
        metrics.request_prompt_tokens.observe(request.input_tokens)
        metrics.request_generation_tokens.observe(output_tokens)
        metrics.request_latency.observe(monotonic() - self._received)
        if len(self._times) > 1:
            self._count_deltas()
        first_token = between_tokens = None
        if self._first:
            first_token = self._first - self._received
            seconds = max(self._computed - self._first, 0.0)
            metrics.decode_time.observe(seconds)
            intervals = output_tokens / self._choices - 1  # of each choice: they are computed together
            if intervals > 0 and seconds:
                between_tokens = seconds / intervals
                metrics.time_per_output_token.observe(between_tokens)
        if self._history is not None:
            self._history.add(request, error, first_token, between_tokens)
        self._end_span(_attributes(request, reason), error)

    def _count_deltas(self) -> None:
        """Count the intervals of the times, and keep the last one."""
        self._metrics.inter_token_latency.observe_intervals(self._times)

    def _release(self) -> None:
        self.computed()
        if self._waiting:
            self._waiting = False
            self._metrics.waiting -= 1

    def _end_span(self, attributes: Mapping[str, AttributeValue], error: str | None) -> None:
        if self._span is None:
            return
        admitted, first, computed = (
            self._unix(mark) if mark else None for mark in (self._admitted, self._first, self._computed)
        )
        times = RequestTimes(self._unix(self._received), admitted, first, computed, time.time())
        self._span.end(times, attributes, error)
        self._span = None

    def _unix(self, moment: float) -> float:
        """A time of the monotonic clock in seconds since 1970."""
        return time.time() - (monotonic() - moment)


def _attributes(request: FinishedRequest, reason: str) -> dict[str, AttributeValue]:
    """The end of a request by OpenTelemetry's semantic conventions for generative AI."""
    return {
        "gen_ai.usage.input_tokens": request.input_tokens,
        "gen_ai.usage.output_tokens": request.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": request.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": request.reasoning_tokens,
        "gen_ai.response.finish_reasons": [reason],
    }
