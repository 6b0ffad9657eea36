"""The span of a server's request on a replica, a child of the span of the client's request."""

import time
from collections.abc import Mapping

from forefront.observability.trace_context import received_trace
from forefront.observability.tracing import AttributeValue, RequestTimes, Tracer


class RequestTrace:
    """Begins when the replica receives the request, and continues the trace of `headers`. `first_token`, if there is
    one, comes before `end`."""

    __slots__ = ("_first_token", "_received", "_span")

    def __init__(
        self, tracer: Tracer, name: str, headers: Mapping[str, str], attributes: Mapping[str, AttributeValue]
    ) -> None:
        self._received = time.time()
        self._first_token: float | None = None
        with received_trace(headers):
            self._span = tracer.start(name, self._received, attributes)

    def first_token(self) -> None:
        """The first tokens are sent."""
        self._first_token = time.time()

    def end(self, attributes: Mapping[str, AttributeValue], error: str | None) -> None:
        """The request has ended here. `error`: the kind of its failure."""
        now, first = time.time(), self._first_token
        admitted = None if first is None else self._received
        self._span.end(RequestTimes(self._received, admitted, first, now, now), attributes, error)
