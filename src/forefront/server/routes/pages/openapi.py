"""`GET /openapi.json`: the description of the API. It needs no key."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forefront.server.openapi.document import build_document
from forefront.server.sending.send_body import ChunkedResponse


def documentation_routes() -> list[Route]:
    """The route. The body is made once, here."""
    document = build_document()

    async def openapi(_request: Request) -> Response:
        return ChunkedResponse(document, media_type="application/json")

    return [Route("/openapi.json", openapi, methods=["GET"])]
