"""The server's own table of routes, so that a new route is tested without being named in a test."""

import itertools
import re
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from forefront.catalog.catalog import Catalog
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.budget_reports import BudgetReports
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import PriceList
from forefront.gateway.ledger.usage_history import LedgerHistories
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.store.conversation_store import ConversationStore
from forefront.gateway.store.database import open_database
from forefront.gateway.store.response_store import ResponseStore
from forefront.server.app import Services, build_app
from forefront.server.responses.stored_responses import StoredResponses

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LINK", "PROPFIND")


def route_table(folder: Path) -> list[Route]:
    """Every route of the application that `forefront serve` runs."""
    database = open_database(f"sqlite:///{folder / 'routes.db'}")
    gateway = Gateway(Ledger(database), PriceList({}), AdmissionQueue(1, 1))
    services = Services(
        Catalog([]),
        gateway,
        KeyCache(database),
        KeyStore(database),
        UsageReports(database),
        LedgerHistories(database),
        BudgetReports(database),
        StoredResponses(ResponseStore(database, "server"), ConversationStore(database)),
        ConversationStore(database),
    )
    app = build_app(services, WorkerPool(1, "bodies"))
    while not isinstance(app, Starlette):
        app = app._app  # type: ignore[attr-defined]
    database.close()
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert len(routes) == len(app.routes), "a route of another kind, which these tests do not know how to walk"
    return routes


def fill(path: str, value: str) -> str:
    """The path with `value` for each of its parameters."""
    return re.sub(r"\{[^}]*\}", lambda _: value, path)


def parametrised(routes: list[Route]) -> list[tuple[str, str]]:
    """Method and path of each route that has a parameter."""
    pairs = (itertools.product(sorted(route.methods or METHODS), [route.path]) for route in routes if "{" in route.path)
    return [pair for group in pairs for pair in group]
