"""The ASGI application: every request passes request id → authentication → fast route or router."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope

from forefront.catalog.catalog import Catalog
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.budget_reports import BudgetReports
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.usage_history import LedgerHistories
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.store.conversation_store import ConversationStore
from forefront.server.http.api_conventions import Conventions
from forefront.server.http.body_memory import BodyMemory
from forefront.server.idempotency.idempotency_key import Idempotency
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.key_revocation import KeyRevocation
from forefront.server.messages.api import COUNT_TOKENS, MESSAGES, MESSAGES_CONVENTIONS
from forefront.server.metrics.families import MetricSources
from forefront.server.middleware.auth import AuthMiddleware, KeyAuthenticator
from forefront.server.middleware.error_handlers import http_error, internal_error, request_error
from forefront.server.middleware.fast_route import FastRoute
from forefront.server.middleware.request_id import RequestIdMiddleware
from forefront.server.responses.api import INPUT_TOKENS, ResponsesEndpoint
from forefront.server.responses.background import BackgroundRuns
from forefront.server.responses.conversations import ConversationRoutes
from forefront.server.responses.rate_limited_routes import RateLimitedRoutes
from forefront.server.responses.routes import StoredResponseRoutes
from forefront.server.responses.stored_responses import StoredResponses
from forefront.server.routes.admin.admin_routes import AdminRoutes
from forefront.server.routes.admin.history import HistoryRoutes
from forefront.server.routes.admin.models import ReloadSettings, model_routes, no_reload
from forefront.server.routes.cancel import make_cancel
from forefront.server.routes.completions import CHAT, TEXT, CompletionsEndpoint, CompletionService
from forefront.server.routes.embeddings import EMBEDDINGS, RERANK, EmbeddingsEndpoint
from forefront.server.routes.models import make_list_models, make_retrieve_model
from forefront.server.routes.monitoring.health import health, make_ready
from forefront.server.routes.monitoring.metrics import make_metrics
from forefront.server.routes.pages.openapi import documentation_routes
from forefront.server.routes.pages.web_pages import load_pages
from forefront.server.routes.preflight import CHAT_PREFLIGHT, PreflightEndpoint
from forefront.server.routes.tokens import DETOKENIZE, TOKENIZE, TokensEndpoint
from forefront.server.routes.usage import make_completion_usage
from forefront.wire.errors import RequestError

# APIs whose errors and headers differ from OpenAI's, by the path that begins their URLs.
CONVENTIONS: Final[Conventions] = {"/v1/messages": MESSAGES_CONVENTIONS}


class _ExactRoute(Route):
    """A route that also refuses the other methods of its path, which a later route with a parameter would match."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return Match.FULL if match is Match.PARTIAL else match, child_scope


@dataclass(frozen=True, slots=True)
class Services:
    """The dependencies of the routes: the models, the parts of the gateway, and stored responses."""

    catalog: Catalog
    gateway: Gateway
    key_cache: KeyCache
    key_store: KeyStore
    usage: UsageReports
    histories: LedgerHistories
    budgets: BudgetReports
    responses: StoredResponses
    conversations: ConversationStore
    reload: ReloadSettings = no_reload


def build_app(
    services: Services,
    workers: WorkerPool,
    body_memory: BodyMemory | None = None,
    runs: SharedRuns | None = None,
    cors_origins: Sequence[str] = (),
) -> ASGIApp:
    """The application, open to web pages of `cors_origins` too. `workers` parse large bodies."""
    catalog, gateway, runs = services.catalog, services.gateway, runs or SharedRuns()
    sources = MetricSources(catalog, gateway.metrics, gateway.ledger, body_memory or BodyMemory())
    service = CompletionService(catalog, gateway, workers, key_revocation=KeyRevocation(services.key_cache))
    background = BackgroundRuns(service, services.responses, runs)
    counted = RateLimitedRoutes(service, gateway)
    completions = _completion_endpoints(services, service, background, workers)

    def idempotent(endpoint: ASGIApp) -> ASGIApp:
        return Idempotency(endpoint, runs, workers)

    posts = {path: idempotent(endpoint) for path, endpoint in completions.items()}
    preflights = _preflight_endpoints(catalog, gateway, workers)
    pages = load_pages()
    admin = AdminRoutes(services.key_store, services.usage, gateway.queue, catalog, workers)
    history = HistoryRoutes(gateway.metrics.history, services.histories, services.budgets, workers)
    app = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
            *(_ExactRoute(path, endpoint, methods=["POST"]) for path, endpoint in preflights.items()),
            Route("/v1/chat/completions/{id}/cancel", make_cancel(service), methods=["POST"]),
            *StoredResponseRoutes(services.responses, background, counted).routes(),
            *ConversationRoutes(services.conversations, counted, idempotent).routes(),
            Route("/v1/tokenize", TokensEndpoint(TOKENIZE, catalog, gateway, workers), methods=["POST"]),
            Route("/v1/detokenize", TokensEndpoint(DETOKENIZE, catalog, gateway, workers), methods=["POST"]),
            Route("/v1/models", make_list_models(catalog)),
            Route("/v1/models/{id:path}", make_retrieve_model(catalog)),
            Route("/v1/usage/{id}", counted.plain(make_completion_usage(services.usage))),
            *admin.routes(),
            *history.routes(),
            *model_routes(catalog, services.reload),
            Route("/health", health),
            Route("/ready", make_ready(catalog)),
            Route("/metrics", make_metrics(sources, workers)),
            *documentation_routes(),
            *pages.routes(),
        ],
        exception_handlers={RequestError: request_error, HTTPException: http_error, Exception: internal_error},
    )
    app.router.redirect_slashes = False
    endpoints = _fixed_endpoints(app)
    authenticated = AuthMiddleware(FastRoute(app, endpoints), KeyAuthenticator(services.key_cache), pages.assets)
    open_app = _with_cors(authenticated, cors_origins)
    paths = frozenset(path for _, path in endpoints)
    return RequestIdMiddleware(open_app, sources.body_memory, CONVENTIONS, gateway.metrics, paths)


def _fixed_endpoints(app: Starlette) -> dict[tuple[str, str], ASGIApp]:
    """The endpoints of routes without parameters, by method and path."""
    routes = [route for route in app.routes if isinstance(route, Route) and "{" not in route.path]
    return {(method, route.path): route.app for route in routes for method in route.methods or ()}


def _completion_endpoints(
    services: Services, service: CompletionService, background: BackgroundRuns, workers: WorkerPool
) -> dict[str, ASGIApp]:
    """The endpoints that run a model once for each idempotency key, by path."""
    catalog, gateway = services.catalog, services.gateway
    return {
        "/v1/chat/completions": CompletionsEndpoint(CHAT, service),
        "/v1/completions": CompletionsEndpoint(TEXT, service),
        "/v1/responses": ResponsesEndpoint(service, services.responses, background, gateway),
        "/v1/messages": CompletionsEndpoint(MESSAGES, service),
        "/v1/embeddings": EmbeddingsEndpoint(EMBEDDINGS, catalog, gateway, workers),
        "/v1/rerank": EmbeddingsEndpoint(RERANK, catalog, gateway, workers),
    }


def _preflight_endpoints(catalog: Catalog, gateway: Gateway, workers: WorkerPool) -> dict[str, ASGIApp]:
    """The endpoints that report what a request would take, by path."""
    return {
        "/v1/chat/completions/preflight": PreflightEndpoint(CHAT_PREFLIGHT, catalog, gateway, workers),
        "/v1/responses/input_tokens": PreflightEndpoint(INPUT_TOKENS, catalog, gateway, workers),
        "/v1/messages/count_tokens": PreflightEndpoint(COUNT_TOKENS, catalog, gateway, workers),
    }


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application, open to web pages of `origins`."""
    if not origins:
        return app
    # Outside of authentication: the preflight requests of browsers carry no key.
    return CORSMiddleware(app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["*"])
