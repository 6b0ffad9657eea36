"""`GET /admin/history`, `/admin/requests` and `/admin/budgets`: the data of the dashboard."""

import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.keys.budget_reports import BudgetReports
from forefront.gateway.ledger.pricing import from_nanos
from forefront.gateway.ledger.usage_history import LedgerHistories, UsageFilter
from forefront.observability.request_history import RequestHistory, SettledRequest
from forefront.server.http.request_context import request_context
from forefront.server.sending.send_body import ChunkedResponse
from forefront.server.store_calls import StoreCalls
from forefront.server.usage_series import hour_history, ledger_history
from forefront.wire.admin.history import BudgetList, EndedRequest, RecentRequests
from forefront.wire.admin.parse import parse_history_query

# Concurrent reads of the ledger's history, and the seconds for each.
_MAX_READS = 2
_READ_SECONDS = 30.0
_COST = 2**16  # bytes, about the size of a history


class HistoryRoutes:
    """The handlers. `AuthMiddleware` has checked the scope before."""

    def __init__(
        self, recent: RequestHistory, ledger: LedgerHistories, budgets: BudgetReports, workers: WorkerPool
    ) -> None:
        self._recent = recent
        self._ledger = ledger
        self._budgets = budgets
        self._workers = workers
        self._history_calls = StoreCalls(_MAX_READS, _READ_SECONDS)
        self._budget_calls = StoreCalls()

    def routes(self) -> list[Route]:
        """The routes below `/admin`."""
        return [
            Route("/admin/history", self._history, methods=["GET"]),
            Route("/admin/requests", self._requests, methods=["GET"]),
            Route("/admin/budgets", self._list_budgets, methods=["GET"]),
        ]

    async def _history(self, request: Request) -> Response:
        query = parse_history_query(dict(request.query_params))
        only, now = UsageFilter(query.model, query.project, query.key), time.time()
        if query.range == "hour":
            intervals = self._recent.snapshot()
            body = await self._workers.run(
                _tenant(request), _COST, lambda: msgspec.json.encode(hour_history(intervals, query.by, only, now))
            )
        else:
            read = self._ledger.day if query.range == "day" else self._ledger.month
            body = await self._history_calls(
                lambda: msgspec.json.encode(ledger_history(read(query.by, only), query.range, query.by, now)),
                _tenant(request),
            )
        return _response(body)

    async def _requests(self, _request: Request) -> Response:
        slowest = [_ended(row, None) for row in self._recent.slowest()]
        failed = [_ended(entry.request, entry.error, entry.in_ledger) for entry in self._recent.failed()]
        return _response(msgspec.json.encode(RecentRequests(slowest=slowest, failed=failed)))

    async def _list_budgets(self, request: Request) -> Response:
        budgets = await self._budget_calls(self._budgets.all, _tenant(request))
        return _response(msgspec.json.encode(BudgetList(data=budgets)))


def _ended(row: SettledRequest, error: str | None, in_ledger: bool = True) -> EndedRequest:
    return EndedRequest(
        id=row.id,
        key=row.key_id,
        project=row.project,
        model=row.model,
        status=row.status,
        finish_reason=row.finish_reason,
        error=error,
        ledger=in_ledger,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        cost=from_nanos(row.cost_nanos),
        received=row.received_at,
        started=row.first_token_at,
        finished=row.finished_at,
    )


def _tenant(request: Request) -> Tenant:
    return request_context(request.scope).principal.key_tenant


def _response(body: bytes) -> Response:
    return ChunkedResponse(body, 200, {"cache-control": "no-store"}, "application/json")
