"""`POST /v1/chat/completions/{id}/cancel`: ends a running completion of the project."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forefront.server.http.request_context import request_context
from forefront.server.routes.admin.admin_routes import path_id
from forefront.server.routes.completions import CompletionService
from forefront.wire.completions.response import CancelledCompletion
from forefront.wire.errors import RequestError


def make_cancel(service: CompletionService) -> Callable[[Request], Awaitable[Response]]:
    """The handler. Its client's stream ends with the error `request_cancelled`."""

    async def cancel(request: Request) -> Response:
        project, completion_id = request_context(request.scope).principal.project.name, path_id(request)
        if not service.cancel(project, completion_id):
            raise RequestError("not_found", "No completion with that id is running.")
        return Response(msgspec.json.encode(CancelledCompletion(id=completion_id)), media_type="application/json")

    return cancel
