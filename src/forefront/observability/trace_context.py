"""The W3C trace context of the request that is being handled: `traceparent` and `tracestate`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_headers: ContextVar[Mapping[str, str] | None] = ContextVar("forefront_trace_headers", default=None)


def trace_headers() -> dict[str, str]:
    """The headers that continue the present trace in a request to another server; empty without tracing."""
    return dict(_headers.get() or {})


def set_trace_headers(headers: Mapping[str, str]) -> None:
    """Make these the headers of the present task and of the tasks that it starts."""
    _headers.set(headers)


@contextmanager
def received_trace(headers: Mapping[str, str]) -> Iterator[None]:
    """The context of a request that arrived with these headers."""
    token = _headers.set(headers)
    try:
        yield
    finally:
        _headers.reset(token)
