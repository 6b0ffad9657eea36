"""The outermost middleware: the request context, the headers with the request's id and time, and a line in the log."""

import logging
import os
import re
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.observability.server_metrics import ServerMetrics
from forefront.server.http.api_conventions import Conventions, conventions_for
from forefront.server.http.body_memory import BodyMemory, RequestMemory
from forefront.server.http.headers import header
from forefront.server.http.request_context import RequestContext, set_request_context

log = logging.getLogger(__name__)

_NOT_LOGGED = frozenset({"/health", "/ready", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_VALID_ID = re.compile(r"[!-~]{1,128}")


class RequestIdMiddleware:
    """Gives each request a `RequestContext`. Its id is the client's `x-request-id` if that is valid, else a new one.
    Its conventions are those of `conventions` for its path.

    `metrics` counts responses by route. `paths` are the routes without parameters, for responses that never reach one.
    """

    def __init__(
        self,
        app: ASGIApp,
        body_memory: BodyMemory,
        conventions: Conventions,
        metrics: ServerMetrics | None = None,
        paths: Collection[str] = (),
    ) -> None:
        self._app = app
        self._body_memory = body_memory
        self._conventions = conventions
        self._metrics = metrics or ServerMetrics()
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given = header(scope, b"x-request-id")
        request_id = given if _VALID_ID.fullmatch(given) else "req_" + os.urandom(12).hex()
        conventions = conventions_for(scope, self._conventions)
        begin = time.monotonic()

        async def send_with_id(message: Message) -> None:
            if not context.status:
                context.status = message["status"]
                milliseconds = round((time.monotonic() - begin) * 1000)
                added = [(name, request_id.encode()) for name in conventions.request_id_headers]
                added.append((b"openai-processing-ms", b"%d" % milliseconds))
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        with RequestMemory(self._body_memory) as memory:
            context = RequestContext(request_id, memory, conventions, self._metrics.errors)
            set_request_context(scope, context)
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                self._count(scope, context.status)
                if scope["path"] not in _NOT_LOGGED and log.isEnabledFor(logging.INFO):
                    log.info("request", extra=_log_fields(scope, context, time.monotonic() - begin))

    def _count(self, scope: Scope, status: int) -> None:
        """Count the response. Values that a client can choose freely share one value of the label."""
        path, route = scope["path"], scope.get("route")
        if path not in self._paths:
            path = route.path.replace(":path}", "}") if route is not None else "unknown"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.responses[method, path, status] += 1


def _log_fields(scope: Scope, context: RequestContext, seconds: float) -> dict[str, object]:
    """The fields of a request's line in the log. Of the request they hold method and path only. Status 0: the
    client left before the response."""
    fields = {"request_id": context.request_id, "method": scope["method"], "path": scope["path"][:256]}
    fields |= {"status": context.status, "ms": round(seconds * 1000, 1)}
    if context.authenticated:
        fields |= {"key": context.principal.key.id, "project": context.principal.project.name}
    return fields
