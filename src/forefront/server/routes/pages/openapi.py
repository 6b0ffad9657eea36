"""`GET /openapi.json`: the description of the API. It needs no key."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forefront.server.sending.send_body import ChunkedResponse


def documentation_routes() -> list[Route]:
    """The route. The body is made once, for the first request."""
    made: asyncio.Task[bytes] | None = None

    async def openapi(_request: Request) -> Response:
        nonlocal made
        if made is None or (made.done() and (made.cancelled() or made.exception())):
            made = asyncio.create_task(asyncio.to_thread(_build))
        return ChunkedResponse(await asyncio.shield(made), media_type="application/json")

    return [Route("/openapi.json", openapi, methods=["GET"])]


def _build() -> bytes:
    # Imported here because most servers get no request for the document, which takes long to import and to make.
    from forefront.server.openapi.document import build_document

    return build_document()
