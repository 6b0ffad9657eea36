"""The outermost layer: gives every request an id, and every response the header that names it."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FIT = re.compile(r"[!-~]{1,128}")


class Frame:
    """Takes the client's `x-request-id` if it is fit to be sent back, else makes one: `scope["request_id"]`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given = Headers(scope=scope).get("x-request-id", "")
        scope["request_id"] = given if _FIT.fullmatch(given) else "req_" + secrets.token_hex(12)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = scope["request_id"]
            await send(message)

        await self._app(scope, receive, send_named)
