"""`GET /v1/models` and `GET /v1/models/{id}`: the models that a key may use, for clients of the Messages API in its
form."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.gateway.keys.principal import Principal
from forefront.server.http.headers import header
from forefront.server.http.request_context import request_context
from forefront.wire.errors import RequestError
from forefront.wire.messages.models import ModelInfo, model_page
from forefront.wire.models import ModelList

Handler = Callable[[Request], Awaitable[Response]]


def find_model(catalog: Catalog, principal: Principal, name: str) -> ServedModel:
    """The model of that name, for a key that may use it.

    Raises `RequestError`: 403 for every name that is not in the key's list, whether or not there is such a model; 404
    for one that is not served. Neither names a model outside the list.
    """
    principal.require_model(name)
    return catalog.get(name, principal.key.models)


def make_list_models(catalog: Catalog) -> Handler:
    """The handler that lists every model that the key may use."""

    async def list_models(request: Request) -> Response:
        principal = request_context(request.scope).principal
        models = [model.describe() for model in catalog.visible(principal.key.models)]
        if _is_messages_client(request):
            query = request.query_params
            page = model_page(models, query.get("limit"), query.get("after_id"), query.get("before_id"))
            return Response(msgspec.json.encode(page), media_type="application/json")
        return Response(msgspec.json.encode(ModelList(data=models)), media_type="application/json")

    return list_models


def make_retrieve_model(catalog: Catalog) -> Handler:
    """The handler that describes one model."""

    async def retrieve_model(request: Request) -> Response:
        name = request.path_params["id"]
        if not name.strip("/"):
            raise RequestError("unknown_url", "There is nothing at /v1/models/. Did you mean /v1/models?")
        model = find_model(catalog, request_context(request.scope).principal, name).describe()
        described = ModelInfo.of(model) if _is_messages_client(request) else model
        return Response(msgspec.json.encode(described), media_type="application/json")

    return retrieve_model


def _is_messages_client(request: Request) -> bool:
    return bool(header(request.scope, b"anthropic-version"))
