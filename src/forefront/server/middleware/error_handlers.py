"""Exceptions of the application as error responses: statuses from the table of codes, no internals."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from forefront.server.http.error_response import error_headers
from forefront.server.http.request_context import request_context
from forefront.wire.errors import RequestError

_OPENAI: Final = "use the OpenAI API, whose base URL here ends with `/v1`."
# Paths that clients request when they are set up for another server, or without a path.
_OTHER_APIS: Final = {
    "/v1": "It is the base URL of clients: `POST /v1/chat/completions`, `GET /v1/models` and others are below it.",
    **dict.fromkeys(
        ("/api/tags", "/api/chat", "/api/generate", "/api/show", "/api/version", "/api/ps", "/api/embed", "/api/pull"),
        f"It belongs to the API of Ollama: {_OPENAI}",
    ),
    **dict.fromkeys(
        ("/completion", "/infill", "/props", "/slots", "/apply-template"),
        f"It belongs to llama.cpp's own API: {_OPENAI}",
    ),
    **dict.fromkeys(("/generate", "/generate_stream", "/info"), f"It belongs to TGI's own API: {_OPENAI}"),
    # Else `compact` would be the id of a response.
    "/v1/responses/compact": "Conversations are not compacted here.",
}
_BASE_URLS: Final = "The base URL of OpenAI's clients ends with `/v1`, that of Anthropic's does not."


def error_response(error: RequestError, scope: Scope, headers: Mapping[str, str] | None = None) -> Response:
    """The response for an error, by the conventions of the request's API, with more `headers` if given. Counts it."""
    context = request_context(scope)
    context.errors[error.code] += 1
    conventions = context.conventions
    body = conventions.encode_error(error, context.request_id)
    return Response(body, conventions.status(error.code), {**error_headers(error), **(headers or {})})


async def request_error(request: Request, error: Exception) -> Response:
    """The handler of `RequestError`."""
    assert isinstance(error, RequestError)
    return error_response(error, request.scope)


async def http_error(request: Request, error: Exception) -> Response:
    """The handler of Starlette's own errors: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    path, method = request.scope["path"][:256], request.method
    other = _OTHER_APIS.get(path.rstrip("/").lower())
    if error.status_code == 405 and other is None:
        allowed = _allowed(request)
        text = f"{path} does not take {method} requests, only {allowed}."
        return error_response(RequestError("method_not_allowed", text), request.scope, {"allow": allowed})
    text = f"There is nothing at {path}."
    if (hint := similar_path(path, [route.path for route in request.app.routes])) is not None:
        text += f" Did you mean {hint}? {_BASE_URLS}"
    elif other is not None:
        text += f" {other}"
    return error_response(RequestError("unknown_url", text), request.scope)


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
    return error_response(RequestError("internal_error", text), request.scope)


def _allowed(request: Request) -> str:
    """Every method of the path. Starlette's 405 lists those of the first matching route only."""
    routes: Sequence[Route] = request.app.routes
    exact = [route for route in routes if route.path == request.scope["path"]]
    fitting = exact or [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in fitting for method in route.methods or ()}))
