"""`GET /metrics`: the metrics for Prometheus, for keys with the scope `metrics` or `admin`, or on its own port."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from forefront.fairness.tenant import NO_TENANT
from forefront.fairness.worker_pool import WorkerPool
from forefront.server.http.request_context import request_context
from forefront.server.metrics.exposition import Exposition, accepts_open_metrics, content_type
from forefront.server.metrics.families import MetricSources, metric_families
from forefront.server.middleware.error_handlers import http_error, internal_error, request_error
from forefront.server.middleware.request_id import RequestIdMiddleware
from forefront.server.sending.send_body import ChunkedResponse
from forefront.wire.errors import RequestError

_COST = 2**16  # bytes, about the size of a scrape


def make_metrics(sources: MetricSources, workers: WorkerPool) -> Callable[[Request], Awaitable[Response]]:
    """The handler. The snapshot is taken on the event loop; `workers` render it, one scrape at a time."""
    exposition = Exposition()

    async def metrics(request: Request) -> Response:
        context = request_context(request.scope)
        tenant = context.principal.key_tenant if context.authenticated else NO_TENANT
        open_metrics = accepts_open_metrics(request.headers.get("accept", ""))
        families = list(metric_families(sources))
        body = await workers.run(tenant, _COST, lambda: exposition.render(families, open_metrics=open_metrics))
        headers = {"cache-control": "no-store", "vary": "accept"}
        return ChunkedResponse(body, 200, headers, content_type(open_metrics=open_metrics))

    return metrics


def metrics_app(sources: MetricSources, workers: WorkerPool) -> ASGIApp:
    """An application with this route alone, which needs no key."""
    app = Starlette(
        routes=[Route("/metrics", make_metrics(sources, workers))],
        exception_handlers={RequestError: request_error, HTTPException: http_error, Exception: internal_error},
    )
    app.router.redirect_slashes = False
    return RequestIdMiddleware(app, sources.body_memory, {}, sources.metrics)
