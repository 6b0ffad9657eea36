"""What is sent when a request fails: errors in the API's own shape, with a status and no internals."""

from collections.abc import Collection, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from forefront.wire.errors import ApiError


def error_response(error: ApiError) -> Response:
    """The error as it is sent."""
    return Response(error.encode(), error.status, error.headers, "application/json")


async def api_error(_request: Request, error: Exception) -> Response:
    """What the server says of a request."""
    assert isinstance(error, ApiError)
    return error_response(error)


async def http_error(request: Request, error: Exception) -> Response:
    """What the router says of paths and methods, in the API's own shape."""
    assert isinstance(error, HTTPException)
    path, method = request.scope["path"][:256], request.method
    if error.status_code == 405:
        allowed = _allowed(request)
        text = f"{path} does not take {method} requests, only {allowed}."
        return error_response(ApiError("method_not_allowed", text, headers={"allow": allowed}))
    text = f"There is nothing at {path}."
    if (hint := similar_path(path, [route.path for route in request.app.routes])) is not None:
        text += f" Did you mean {hint}? The base URL of clients ends with `/v1`."
    return error_response(ApiError("unknown_url", text))


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
    """What is said of a mistake in the server: nothing but where to look."""
    text = f"Something went wrong in the server. Its log has more under {request.scope['request_id']}."
    return error_response(ApiError("internal_error", text))


def _allowed(request: Request) -> str:
    """Every method that the path takes. The router itself knows those of the first route alone."""
    routes: Sequence[Route] = request.app.routes
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in fitting for method in route.methods or ()}))
