"""The ASGI application: every request passes frame → guard → route."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from forefront.catalog.catalog import Catalog
from forefront.gateway.keys import KeyRing
from forefront.server.chat import ChatCompletions
from forefront.server.frame import Frame
from forefront.server.guard import Guard
from forefront.server.health import health, make_ready
from forefront.server.models import make_list_models, make_retrieve_model
from forefront.wire.errors import ApiError


def build_app(catalog: Catalog, keys: KeyRing) -> ASGIApp:
    """The application that serves `catalog` to the holders of `keys`."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", ChatCompletions(catalog), methods=["POST"]),
            Route("/v1/models", make_list_models(catalog)),
            Route("/v1/models/{id:path}", make_retrieve_model(catalog)),
            Route("/health", health),
            Route("/ready", make_ready(catalog)),
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _internal_error},
    )
    app.router.redirect_slashes = False
    return Frame(Guard(app, keys))


def error_response(error: ApiError, headers: dict[str, str] | None = None) -> Response:
    """The error as it is sent."""
    return Response(error.encode(), error.status, headers, "application/json")


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router says of paths and methods, in the API's own shape."""
    assert isinstance(error, HTTPException)
    path, method = request.scope["path"][:256], request.method
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        text = f"{path} does not take {method} requests, only {allowed}."
        return error_response(ApiError("method_not_allowed", text), dict(error.headers or {}))
    return error_response(ApiError("unknown_url", f"There is nothing at {path}."))


async def _internal_error(request: Request, _error: Exception) -> Response:
    text = f"Something went wrong in the server. Its log has more under {request.scope['request_id']}."
    return error_response(ApiError("internal_error", text))
