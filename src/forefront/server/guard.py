"""No key, no answer: everything but a written list of paths needs a bearer key."""

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from forefront.gateway.keys import KeyRing, Principal
from forefront.wire.errors import ApiError

OPEN_PATHS: Final = frozenset({"/health", "/ready"})


class Guard:
    """Lets a request through with its `Principal` in `scope["principal"]`, or answers 401.

    Decides on `scope["path"]`, the very string that the router routes by; nothing that a client writes into other
    headers has a say.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in OPEN_PATHS:
            try:
                scope["principal"] = self._principal(Headers(scope=scope))
            except ApiError as error:
                headers = {"www-authenticate": "Bearer"}
                await Response(error.encode(), error.status, headers, "application/json")(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _principal(self, headers: Headers) -> Principal:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key = key.strip()
        if not key or scheme.lower() != "bearer":
            raise ApiError("invalid_api_key", "No API key: send it in the header `Authorization: Bearer YOUR_API_KEY`.")
        if key in ("$FOREFRONT_API_KEY", "${FOREFRONT_API_KEY}"):
            raise ApiError(
                "invalid_api_key",
                f"The API key is the literal text `{key}`, because a shell fills in no variables inside single quotes: "
                "use double quotes.",
            )
        principal = self._keys.find(key)
        if principal is None:
            raise ApiError("invalid_api_key", "This API key is not known here.")
        return principal
