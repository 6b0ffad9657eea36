"""Authentication: every path but a fixed list needs a bearer key, with the scope of the path."""

from collections.abc import Collection
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.principal import Principal
from forefront.server.http.headers import header
from forefront.server.http.request_context import Authenticator, request_context
from forefront.server.middleware.error_handlers import error_response
from forefront.wire.admin.records import Scope as KeyScope
from forefront.wire.errors import RequestError

OPEN_PATHS: Final = frozenset({"/health", "/ready", "/openapi.json", "/docs", "/", "/dashboard"})


class AuthMiddleware:
    """Sets the request context's principal, or answers 401 or 403.

    It decides by `scope["path"]`, which the router uses too, and reads only the header `authorization` and, on paths of
    an API whose conventions name one, its `key_header`. `assets` are further open paths: the files of the web pages.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator, assets: Collection[str] = ()) -> None:
        self._app = app
        self._authenticator = authenticator
        self._open_paths = OPEN_PATHS.union(assets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            # A browser sends no key with its preflight. Without CORS headers in the answer it stops here.
            await Response(status_code=204)(scope, receive, send)
            return
        if scope["path"] not in self._open_paths:
            try:
                await request_context(scope).authenticate(scope, self._authenticator)
            except RequestError as error:
                await error_response(error, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class KeyAuthenticator:
    """Identifies clients by their API keys. A valid key counts the connection towards the key's project."""

    def __init__(self, keys: KeyCache) -> None:
        self._keys = keys

    async def authenticate(self, scope: Scope) -> Principal:
        """See `Authenticator`. Raises `RequestError` 503 too: without a free connection for the project, and when the
        keys cannot be read."""
        principal = await self._find(_authorization(scope))
        if (connection := scope.get("connection")) is not None:
            connection.authenticate(principal.project.name)
        if needed := scopes_for(scope["path"]):
            principal.require_scope(*needed)
        return principal

    async def _find(self, authorization: str) -> Principal:
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if not key or scheme.lower() != "bearer":
            raise RequestError(
                "invalid_api_key", "No API key: send it in the header `Authorization: Bearer YOUR_API_KEY`."
            )
        if key in ("$FOREFRONT_API_KEY", "${FOREFRONT_API_KEY}"):
            raise RequestError(
                "invalid_api_key",
                f"The API key is the literal text `{key}`, because a shell fills in no variables inside single quotes: "
                "use double quotes.",
            )
        principal = await self._keys.find(key)
        if principal is None:
            raise RequestError("invalid_api_key", "This API key is unknown.")
        return principal


def _authorization(scope: Scope) -> str:
    """The header `authorization`; without one, the key in the API's own header as if it were in there."""
    authorization = header(scope, b"authorization")
    other_header = request_context(scope).conventions.key_header
    if not authorization and other_header is not None and (key := header(scope, other_header)):
        return f"Bearer {key}"
    return authorization


def scopes_for(path: str) -> tuple[KeyScope, ...]:
    """The scopes of which a key needs one for a path; empty where any key is enough."""
    if path.startswith("/v1/"):
        if path == "/v1/models" or path.startswith("/v1/models/"):
            return ("models",)
        return () if path.startswith("/v1/usage/") else ("chat",)
    if path == "/admin" or path.startswith("/admin/"):
        return ("admin",)
    return ("metrics", "admin") if path == "/metrics" else ()
