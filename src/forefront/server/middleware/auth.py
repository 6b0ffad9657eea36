"""No key, no answer: everything but a written list of paths needs a bearer key."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.principal import Principal
from forefront.server.http.headers import header
from forefront.server.middleware.error_handlers import error_response
from forefront.wire.admin import Scope as KeyScope
from forefront.wire.errors import ApiError

OPEN_PATHS: Final = frozenset({"/health", "/ready", "/openapi.json", "/docs"})


class Guard:
    """Lets a request through with its `Principal` in `scope["principal"]`, or answers 401, or 403 for want of a scope.
    Whoever has waited for the client since asks again, by `scope["identify"]`.

    Decides on `scope["path"]`, the very string that the router routes by; nothing that a client writes into other
    headers has a say. A valid key counts the connection towards the key's project, by `scope["authenticate"]`.
    """

    def __init__(self, app: ASGIApp, keys: KeyCache) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in OPEN_PATHS:

            async def identify() -> None:
                principal = await self._principal(header(scope, b"authorization"))
                if (authenticate := scope.get("authenticate")) is not None:
                    authenticate(principal.project.name)
                if (needed := scope_for(scope["path"])) is not None:
                    principal.require_scope(needed)
                scope["principal"] = principal

            scope["identify"] = identify
            try:
                await identify()
            except ApiError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _principal(self, authorization: str) -> Principal:
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if not key or scheme.lower() != "bearer":
            raise ApiError("invalid_api_key", "No API key: send it in the header `Authorization: Bearer YOUR_API_KEY`.")
        if key in ("$FOREFRONT_API_KEY", "${FOREFRONT_API_KEY}"):
            raise ApiError(
                "invalid_api_key",
                f"The API key is the literal text `{key}`, because a shell fills in no variables inside single quotes: "
                "use double quotes.",
            )
        principal = await self._keys.find(key)
        if principal is None:
            raise ApiError("invalid_api_key", "This API key is not known here.")
        return principal


def scope_for(path: str) -> KeyScope | None:
    """The scope that a key needs for a path; None for those that every key may ask for."""
    if path == "/admin" or path.startswith("/admin/"):
        return "admin"
    if path == "/v1/models" or path.startswith("/v1/models/"):
        return "models"
    if path.startswith("/v1/") and not path.startswith("/v1/usage/"):
        return "chat"
    return None
