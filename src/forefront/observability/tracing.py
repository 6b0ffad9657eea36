"""Traces of requests, without a dependency on OpenTelemetry: `otel_tracer.py` has the implementation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

AttributeValue = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True)
class RequestTimes:
    """The times of a request, in seconds since 1970: its arrival, its slot, the first token, the end of the model's
    work, and the end. None for what it did not reach."""

    received: float
    admitted: float | None
    first_token: float | None
    computed: float | None
    finished: float


class RequestSpan(Protocol):
    """The span of one request to a model."""

    def end(self, times: RequestTimes, attributes: Mapping[str, AttributeValue], error: str | None) -> None:
        """End the span. `error` is the code of a request that failed."""


class Tracer(Protocol):
    """Starts spans."""

    def start(self, name: str, received: float, attributes: Mapping[str, AttributeValue]) -> RequestSpan:
        """Start a span as a child of the received trace context. From now on its own is passed on to upstreams."""

    def close(self) -> None:
        """Export the remaining spans, for a few seconds at most."""
