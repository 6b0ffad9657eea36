"""`GET /openapi.json`, and `GET /docs`: a page that shows it, without external resources. Neither needs a key."""

import base64
import hashlib
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forefront.server.openapi.document import build_document
from forefront.server.response.send_body import ChunkedResponse

PAGE: Final = files("forefront.server") / "page"


def documentation_routes() -> list[Route]:
    """The routes. Both bodies are made once, here."""
    document, (page, policy) = build_document(), _page()
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }

    async def openapi(_request: Request) -> Response:
        return ChunkedResponse(document, media_type="application/json")

    async def docs(_request: Request) -> Response:
        return ChunkedResponse(page, 200, headers, "text/html")

    return [Route("/openapi.json", openapi, methods=["GET"]), Route("/docs", docs, methods=["GET"])]


def _page() -> tuple[str, str]:
    """The page with its style and script inline, and the content security policy that allows these alone."""
    style, script = ((PAGE / name).read_text() for name in ("docs.css", "docs.js"))
    page = (PAGE / "docs.html").read_text().replace("/*style*/", style, 1).replace("/*script*/", script, 1)
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
