"""A route past Starlette's router for completions, the most frequent requests."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from forefront.server.http.request_context import request_context
from forefront.server.middleware.error_handlers import internal_error, request_error
from forefront.wire.errors import RequestError


class FastRoute:
    """Calls the endpoints of `posts` for POST requests to their paths, and `app` for all others.

    An exception before the response has begun gets the same error response as in `app`.
    """

    def __init__(self, app: ASGIApp, posts: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._posts = posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._posts.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        try:
            await endpoint(scope, receive, send)
        except Exception as error:
            if request_context(scope).status:
                raise
            handler = request_error if isinstance(error, RequestError) else internal_error
            response = await handler(Request(scope), error)
            await response(scope, receive, send)
            if handler is internal_error:
                raise
            error.__traceback__ = None  # a shared run raises one error for several connections: it would grow with each
