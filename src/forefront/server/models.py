"""`GET /v1/models` and `GET /v1/models/{id}`."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forefront.catalog.catalog import Catalog

Handler = Callable[[Request], Awaitable[Response]]


def make_list_models(catalog: Catalog) -> Handler:
    """The handler that lists every model."""

    async def list_models(_request: Request) -> Response:
        return Response(msgspec.json.encode(catalog.list()), media_type="application/json")

    return list_models


def make_retrieve_model(catalog: Catalog) -> Handler:
    """The handler that describes one model."""

    async def retrieve_model(request: Request) -> Response:
        model = catalog.get(request.path_params["id"]).describe()
        return Response(msgspec.json.encode(model), media_type="application/json")

    return retrieve_model
