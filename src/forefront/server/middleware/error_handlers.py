"""Exceptions of the application as error responses: statuses from the table of codes, no internals."""

from collections.abc import Collection, Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from forefront.server.http.error_response import encode_error, error_headers, error_status
from forefront.server.http.request_context import request_context
from forefront.wire.errors import ApiError


class ErrorResponse(Response):
    """The response for an error, with more `headers` if given. Sending it counts the error."""

    def __init__(self, error: ApiError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(encode_error(error), error_status(error), {**error_headers(error), **(headers or {})})
        self._code = error.code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_context(scope).errors[self._code] += 1
        await super().__call__(scope, receive, send)


async def api_error(_request: Request, error: Exception) -> Response:
    """The handler of `ApiError`."""
    assert isinstance(error, ApiError)
    return ErrorResponse(error)


async def http_error(request: Request, error: Exception) -> Response:
    """The handler of Starlette's own errors: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    path, method = request.scope["path"][:256], request.method
    if error.status_code == 405:
        allowed = _allowed(request)
        text = f"{path} does not take {method} requests, only {allowed}."
        return ErrorResponse(ApiError("method_not_allowed", text), {"allow": allowed})
    text = f"There is nothing at {path}."
    if (hint := similar_path(path, [route.path for route in request.app.routes])) is not None:
        text += f" Did you mean {hint}? The base URL of clients ends with `/v1`."
    return ErrorResponse(ApiError("unknown_url", text))


def similar_path(path: str, known: Collection[str]) -> str | None:
    """The known path that a client with a wrong base URL means: one with a missing or repeated `/v1`, another prefix or
    a slash too many."""
    parts = [part for part in path.split("/") if part]
    for start in range(len(parts)):
        rest = "/".join(parts[start:])
        for candidate in (f"/{rest}", f"/v1/{rest}"):
            if candidate in known and candidate != path:
                return candidate
    return None


async def internal_error(request: Request, _error: Exception) -> Response:
    """The handler of every other exception: it names the request id, under which the log has the traceback."""
    text = f"Internal server error; see the server log for request {request_context(request.scope).request_id}."
    return ErrorResponse(ApiError("internal_error", text))


def _allowed(request: Request) -> str:
    """Every method of the path. Starlette's 405 lists those of the first matching route only."""
    routes: Sequence[Route] = request.app.routes
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in fitting for method in route.methods or ()}))
