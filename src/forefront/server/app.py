"""The ASGI application: every request passes frame → guard → shortcut or route."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from forefront.catalog.catalog import Catalog
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.server.http.body_memory import Intake
from forefront.server.idempotency.idempotency_key import Idempotent
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.middleware.auth import Guard
from forefront.server.middleware.error_handlers import api_error, http_error, internal_error
from forefront.server.middleware.fast_route import Shortcut
from forefront.server.middleware.request_context import Frame
from forefront.server.routes.admin import Admin
from forefront.server.routes.completions import CHAT, TEXT, Completions
from forefront.server.routes.documentation import documentation_routes
from forefront.server.routes.health import health, make_ready
from forefront.server.routes.models import make_list_models, make_retrieve_model
from forefront.server.routes.preflight import Preflights
from forefront.server.routes.usage import make_completion_usage
from forefront.wire.errors import ApiError


@dataclass(frozen=True, slots=True)
class Office:
    """What the application needs of the gateway."""

    ring: KeyCache
    gateway: Gateway
    keys: KeyStore
    usage: UsageReports


def build_app(
    catalog: Catalog,
    office: Office,
    workers: WorkerPool,
    intake: Intake | None = None,
    cors_origins: Sequence[str] = (),
    runs: SharedRuns | None = None,
) -> ASGIApp:
    """The application that serves `catalog` to those whom `office` lets in; to web pages of `cors_origins` too.
    `workers` parse what is large."""
    runs = runs or SharedRuns()
    posts = {
        "/v1/chat/completions": Idempotent(Completions(CHAT, catalog, office.gateway, workers), runs, workers),
        "/v1/completions": Idempotent(Completions(TEXT, catalog, office.gateway, workers), runs, workers),
    }
    admin = Admin(office.keys, office.usage, office.gateway.turns, catalog, workers)
    app = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
            Route("/v1/chat/completions/preflight", Preflights(catalog, office.gateway, workers), methods=["POST"]),
            Route("/v1/models", make_list_models(catalog)),
            Route("/v1/models/{id:path}", make_retrieve_model(catalog)),
            Route("/v1/usage/{id}", make_completion_usage(office.usage)),
            *admin.routes(),
            Route("/health", health),
            Route("/ready", make_ready(catalog)),
            *documentation_routes(),
        ],
        exception_handlers={ApiError: api_error, HTTPException: http_error, Exception: internal_error},
    )
    app.router.redirect_slashes = False
    guarded: ASGIApp = Guard(Shortcut(app, posts), office.ring)
    if cors_origins:
        # Outside of the guard: browsers ask whether they may ask, and send no key with that.
        guarded = CORSMiddleware(
            guarded, allow_origins=cors_origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["*"]
        )
    return Frame(guarded, intake or Intake())
