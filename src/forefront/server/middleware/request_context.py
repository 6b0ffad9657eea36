"""The outermost layer: gives every request an id, every response the header that names it, and the log a line."""

import logging
import re
import secrets
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.server.http.body_memory import Intake, Share
from forefront.server.http.headers import header

log = logging.getLogger(__name__)

_QUIET = frozenset({"/health", "/ready"})
_FIT = re.compile(r"[!-~]{1,128}")


class Frame:
    """Takes the client's `x-request-id` if it is fit to be sent back, else makes one: `scope["request_id"]`."""

    def __init__(self, app: ASGIApp, intake: Intake) -> None:
        self._app = app
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given = header(scope, b"x-request-id")
        scope["request_id"] = given if _FIT.fullmatch(given) else "req_" + secrets.token_hex(12)
        begin, status = time.monotonic(), 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                took = round((time.monotonic() - begin) * 1000)
                own = [(b"x-request-id", scope["request_id"].encode()), (b"openai-processing-ms", b"%d" % took)]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        try:
            with Share(self._intake) as scope["intake"]:
                await self._app(scope, receive, send_named)
        finally:
            if scope["path"] not in _QUIET and log.isEnabledFor(logging.INFO):
                log.info("request", extra=_facts(scope, status, time.monotonic() - begin))


def _facts(scope: Scope, status: int, seconds: float) -> dict[str, object]:
    """What the log says of a request: nothing that the client wrote but method and path. Status 0: it left before."""
    facts = {"request_id": scope["request_id"], "method": scope["method"], "path": scope["path"][:256]}
    facts |= {"status": status, "ms": round(seconds * 1000, 1)}
    if (principal := scope.get("principal")) is not None:
        facts |= {"key": principal.key.id, "project": principal.project.name}
    return facts
