"""The outermost middleware: the request context, the headers with the request's id and time, and a line in the log."""

import logging
import re
import secrets
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.server.http.api_conventions import Conventions, conventions_for
from forefront.server.http.body_memory import BodyMemory, RequestMemory
from forefront.server.http.headers import header
from forefront.server.http.request_context import RequestContext, set_request_context

log = logging.getLogger(__name__)

_NOT_LOGGED = frozenset({"/health", "/ready"})
_VALID_ID = re.compile(r"[!-~]{1,128}")


class RequestIdMiddleware:
    """Gives each request a `RequestContext`. Its id is the client's `x-request-id` if that is valid, else a new one.
    Its conventions are those of `conventions` for its path."""

    def __init__(self, app: ASGIApp, body_memory: BodyMemory, conventions: Conventions) -> None:
        self._app = app
        self._body_memory = body_memory
        self._conventions = conventions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given = header(scope, b"x-request-id")
        request_id = given if _VALID_ID.fullmatch(given) else "req_" + secrets.token_hex(12)
        conventions = conventions_for(scope["path"], self._conventions)
        begin, status = time.monotonic(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                milliseconds = round((time.monotonic() - begin) * 1000)
                added = [(name, request_id.encode()) for name in conventions.request_id_headers]
                added.append((b"openai-processing-ms", b"%d" % milliseconds))
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        with RequestMemory(self._body_memory) as memory:
            context = RequestContext(request_id, memory, conventions)
            set_request_context(scope, context)
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                if scope["path"] not in _NOT_LOGGED and log.isEnabledFor(logging.INFO):
                    log.info("request", extra=_log_fields(scope, context, status, time.monotonic() - begin))


def _log_fields(scope: Scope, context: RequestContext, status: int, seconds: float) -> dict[str, object]:
    """The fields of a request's line in the log. Of what the client wrote they hold method and path only. Status 0: the
    client left before the response."""
    fields = {"request_id": context.request_id, "method": scope["method"], "path": scope["path"][:256]}
    fields |= {"status": status, "ms": round(seconds * 1000, 1)}
    if context.authenticated:
        fields |= {"key": context.principal.key.id, "project": context.principal.project.name}
    return fields
