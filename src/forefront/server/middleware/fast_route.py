"""Past the router: completions are what nearly every request asks for, and what a busy server mostly refuses."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.server.middleware.error_handlers import api_error, internal_error
from forefront.wire.errors import ApiError


class Shortcut:
    """Leads POST requests straight to their endpoints by the paths of `posts`, and all others to `app`.

    What an endpoint raises before it has sent anything is answered as `app` would answer it.
    """

    def __init__(self, app: ASGIApp, posts: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._posts = posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._posts.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await endpoint(scope, receive, noting)
        except Exception as error:
            if begun:
                raise
            tell = api_error if isinstance(error, ApiError) else internal_error
            response = await tell(Request(scope), error)
            await response(scope, receive, send)
            if tell is internal_error:
                raise
            error.__traceback__ = None  # one error may be told to several connections, and would grow with each
