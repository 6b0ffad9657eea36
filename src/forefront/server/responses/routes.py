"""The routes of stored responses. Those of other projects are not found."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from forefront.fairness.tenant import Tenant
from forefront.server.http.request_context import request_context
from forefront.server.idempotency.shared_run import SharedRun
from forefront.server.responses.background import BackgroundRuns
from forefront.server.responses.rate_limited_routes import RateLimitedRoutes
from forefront.server.responses.stored_responses import StoredResponses
from forefront.server.routes.admin.admin_routes import path_id
from forefront.server.sending.send_body import ChunkedResponse
from forefront.wire.errors import RequestError
from forefront.wire.responses.item_list import DeletedResponse
from forefront.wire.responses.queries import parse_items_query, parse_retrieve_query


class StoredResponseRoutes:
    """The handlers below `/v1/responses/{id}`."""

    def __init__(self, stored: StoredResponses, background: BackgroundRuns, counted: RateLimitedRoutes) -> None:
        self._stored = stored
        self._background = background
        self._counted = counted

    def routes(self) -> list[Route]:
        """The routes. The first cancellation of a running response does not count: it ends work that counted."""
        counted = self._counted.plain
        counted_cancel = counted(self._cancel)

        async def cancel(request: Request) -> Response:
            running = self._background.begin_cancel(tenant_of(request), path_id(request))
            return await (self._cancel if running else counted_cancel)(request)

        return [
            Route("/v1/responses/{id}", counted(self._retrieve), methods=["GET"]),
            Route("/v1/responses/{id}", counted(self._delete), methods=["DELETE"]),
            Route("/v1/responses/{id}/cancel", cancel, methods=["POST"]),
            Route("/v1/responses/{id}/input_items", counted(self._list_items), methods=["GET"]),
        ]

    async def _retrieve(self, request: Request) -> Response:
        query, tenant = parse_retrieve_query(request.query_params.multi_items()), tenant_of(request)
        if not query.stream:
            return send_stored(request, await self._stored.body(tenant, path_id(request)))
        stored = await self._stored.find(tenant, path_id(request))
        if not stored.background:
            text = "`stream`: only a response that was created with `background` and `stream` can be streamed again."
            raise RequestError("invalid_value", text, param="stream")
        run = self._background.stream(tenant, stored.id, query.starting_after)
        return _RunResponse(self._background, run, -1 if query.starting_after is None else query.starting_after)

    async def _delete(self, request: Request) -> Response:
        tenant, response_id = tenant_of(request), path_id(request)
        await self._background.cancel(tenant, response_id)
        await self._stored.delete(tenant, response_id)
        return send_stored(request, msgspec.json.encode(DeletedResponse(id=response_id)))

    async def _cancel(self, request: Request) -> Response:
        tenant = tenant_of(request)
        stored = await self._stored.find(tenant, path_id(request))
        if not stored.background:
            text = "Only responses that were created with `background` can be cancelled."
            raise RequestError("invalid_value", text, param="background")
        if stored.unfinished:
            await self._background.cancel(tenant, stored.id)
        return send_stored(request, await self._stored.body(tenant, stored.id))

    async def _list_items(self, request: Request) -> Response:
        query = parse_items_query(request.query_params.multi_items())
        return send_stored(request, await self._stored.input_items(tenant_of(request), path_id(request), query))


class _RunResponse(Response):
    """The stream of a run after an event."""

    def __init__(self, background: BackgroundRuns, run: SharedRun, after: int) -> None:
        super().__init__()
        self._background = background
        self._run = run
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = [pair for pair in self.raw_headers if pair[0].startswith(b"x-ratelimit-")]
        await self._background.play(self._run, scope, receive, send, self._after, limits)


def tenant_of(request: Request) -> Tenant:
    """The project of the request's key."""
    return request_context(request.scope).principal.tenant


def send_stored(request: Request, body: bytes, headers: dict[str, str] | None = None) -> Response:
    """A response whose memory counts as its project's until it is sent. Raises `RequestError` 429 and 503."""
    context = request_context(request.scope)
    principal = context.principal
    context.memory.hold_for(principal.project.name, principal.key.id, len(body))
    return ChunkedResponse(body, headers=headers, media_type="application/json")
