"""Takes over the trace context of requests, where a trace exporter is configured."""

from starlette.types import ASGIApp, Receive, Scope, Send

from forefront.observability.trace_context import received_trace
from forefront.server.http.headers import header

# Bytes of a `tracestate` that is taken over; the standard asks for 512.
_MAX_STATE = 2048


class TraceContextMiddleware:
    """Makes `traceparent` and `tracestate` of a request the context of its work."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parent, state = header(scope, b"traceparent"), header(scope, b"tracestate")
        headers = {"traceparent": parent} if parent else {}
        if state and len(state) <= _MAX_STATE:
            headers["tracestate"] = state
        with received_trace(headers):
            await self._app(scope, receive, send)
