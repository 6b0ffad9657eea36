"""`POST /admin/models/{name}/load` and `/unload`, `POST /admin/reload`, and the state of a model."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.chat.backend import ClusteredBackend, EngineStats, ReplicatedBackend
from forefront.wire.admin.records import EngineStatus, ModelStatus, Reload
from forefront.wire.errors import RequestError

# Applies the settings anew. Raises `RequestError` for settings that are invalid.
ReloadSettings = Callable[[], Awaitable[Reload]]

_NO_STATS = EngineStats(0, 0, 0, 0, 0, 0, 0, 0, 0.0)


async def no_reload() -> Reload:
    """The settings of a server that has none to read again."""
    raise RequestError("not_found", "This server has no settings to reload.")


def model_routes(catalog: Catalog, reload: ReloadSettings) -> list[Route]:
    """The routes. `AuthMiddleware` has checked the scope before."""

    async def load(request: Request) -> Response:
        model = catalog.get(request.path_params["name"])
        try:
            await catalog.load(model)
        except RequestError as error:
            if error.code == "model_unavailable" and model.failure is not None:
                error = RequestError(
                    error.code, f"The model `{model.name}` could not be loaded: {model.failure.reason}"
                )
            raise error from None
        return _response(model_status(model))

    async def unload(request: Request) -> Response:
        model = catalog.get(request.path_params["name"])
        await catalog.unload(model)
        return _response(model_status(model))

    async def reload_settings(_request: Request) -> Response:
        return _response(await reload())

    return [
        Route("/admin/models/{name:path}/load", load, methods=["POST"]),
        Route("/admin/models/{name:path}/unload", unload, methods=["POST"]),
        Route("/admin/reload", reload_settings, methods=["POST"]),
    ]


def model_status(model: ServedModel) -> ModelStatus:
    """The state of a model and of its engine."""
    backend = None if model.loaded is None else model.loaded.backend
    stats = _NO_STATS if backend is None else backend.stats()
    return ModelStatus(
        **{name: getattr(stats, name) for name in EngineStatus.__struct_fields__},
        state=model.state,
        size=model.memory_bytes,
        requests=model.running,
        waiting_for_load=len(model.waiting),
        load_percent=None if model.progress is None else model.progress.percent,
        failure=None if model.failure is None else model.failure.reason,
        replicas=backend.replicas() if isinstance(backend, ReplicatedBackend) else [],
        cluster=backend.cluster_status() if isinstance(backend, ClusteredBackend) else None,
    )


def _response(record: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(record), 200, {"cache-control": "no-store"}, "application/json")
