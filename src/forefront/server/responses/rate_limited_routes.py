"""Handlers whose requests count towards the requests per minute of key and project, though they run no model."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from forefront.gateway.gateway import Gateway
from forefront.server.http.error_response import rate_limit_headers
from forefront.server.http.request_context import request_context
from forefront.server.routes.completions import CompletionService
from forefront.wire.errors import RequestError

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class RateLimitedRoutes:
    """Wraps handlers. Their responses and errors have the rate limits of the key in headers.

    Such requests do not count towards concurrency: a key may read its responses while its only slot generates one.
    """

    def __init__(self, service: CompletionService, gateway: Gateway) -> None:
        self._service = service
        self._gateway = gateway

    def plain(self, handler: Handler) -> Handler:
        """A handler of requests without a body."""

        async def respond(request: Request) -> Response:
            return await self._respond(request, lambda: handler(request))

        return respond

    def with_body(
        self, parse: Callable[[bytes | bytearray], T], handler: Callable[[Request, T], Awaitable[Response]]
    ) -> Handler:
        """A handler that gets the parsed body. A body that is refused does not count."""

        async def respond(request: Request) -> Response:
            parsed = await self._service.read(request.scope, request.receive, parse)
            if parsed is None:
                raise RequestError("incomplete_body", "Incomplete request body.")
            return await self._respond(request, lambda: handler(request, parsed))

        return respond

    async def _respond(self, request: Request, respond: Callable[[], Awaitable[Response]]) -> Response:
        limits = await self._gateway.count_request(request_context(request.scope).principal)
        try:
            response = await respond()
        except RequestError as error:
            error.rate_limits = limits
            raise
        response.headers.update(rate_limit_headers(limits))
        return response
