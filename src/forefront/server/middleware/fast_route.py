"""A route past Starlette's router, which compares a path with one route after another."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from forefront.server.http.request_context import request_context
from forefront.server.middleware.error_handlers import internal_error, request_error
from forefront.wire.errors import RequestError


class FastRoute:
    """Calls the endpoints of fixed paths, by method and path, and `app` for all other requests.

    An exception before the response has begun gets the same error response as in `app`.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[tuple[str, str], ASGIApp]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get((scope["method"], scope["path"]), self._app)
        try:
            await endpoint(scope, receive, send)
        except HTTPException:  # `/` for a client that does not accept HTML: `app` answers as to an unknown path
            if endpoint is self._app or request_context(scope).status:
                raise
            await self._app(scope, receive, send)
        except Exception as error:
            if request_context(scope).status:
                raise
            handler = request_error if isinstance(error, RequestError) else internal_error
            response = await handler(Request(scope), error)
            await response(scope, receive, send)
            if handler is internal_error:
                raise
            error.__traceback__ = None  # a shared run raises one error for several connections: it would grow with each
