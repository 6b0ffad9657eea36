"""`GET /v1/usage/{completion id}`: the usage of one completion, for its project and for administrators."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.server.http.request_context import request_context
from forefront.server.routes.admin.admin_routes import path_id
from forefront.server.store_calls import StoreCalls
from forefront.wire.errors import RequestError


def make_completion_usage(usage: UsageReports) -> Callable[[Request], Awaitable[Response]]:
    """The handler. Completions of other projects are not found."""
    store_calls = StoreCalls()

    async def completion_usage(request: Request) -> Response:
        principal = request_context(request.scope).principal
        row = await store_calls(lambda: usage.completion(path_id(request)), principal.tenant)
        if row is None or (row.project != principal.project.name and "admin" not in principal.key.scopes):
            raise RequestError("not_found", "There is no completion with that id in the ledger.")
        return Response(msgspec.json.encode(row), media_type="application/json")

    return completion_usage
