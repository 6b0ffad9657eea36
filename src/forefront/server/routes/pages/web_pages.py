"""The web pages: the playground at `/`, the dashboard at `/dashboard`, the API reference at `/docs`, and their files.

`make page` builds them from `web/` into `server/page`. They hold no data of the server, so they need no key.
"""

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forefront.server.http.headers import list_members
from forefront.server.sending.static_file import CODINGS, StaticFile

PAGE_FOLDER: Final = files("forefront.server") / "page"
PAGES: Final = {"/": "index.html", "/dashboard": "dashboard.html", "/docs": "docs.html"}
_ASSETS: Final = "/assets/"
_MEDIA_TYPES: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFETY: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_PAGE_HEADERS: Final = {**_SAFETY, "content-security-policy": _POLICY, "cache-control": "no-cache"}
_ASSET_HEADERS: Final = {**_SAFETY, "cache-control": "public, max-age=31536000, immutable"}
_NOT_BUILT: Final = b"""<!doctype html>
<html lang="en">
<title>Forefront</title>
<h1>The web pages are not built</h1>
<p>This server was installed without them. Install Node 20 with npm, run <code>make page</code> in the source folder,
and start the server again. The API at <code>/v1</code> is not affected.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class WebPages:
    """Every file of the pages, by URL path. Nothing else can be requested: no path is looked up on the disk."""

    pages: dict[str, StaticFile]
    assets: dict[str, StaticFile]

    def routes(self) -> list[Route]:
        """A route for each page, and one for the assets."""

        async def page(request: Request) -> Response:
            if request.url.path == "/" and not _reads_html(request.headers.get("accept", "")):
                raise HTTPException(404)
            return self.pages[request.scope["path"]].respond(request)

        async def asset(request: Request) -> Response:
            found = self.assets.get(request.scope["path"])
            if found is None:
                raise HTTPException(404)
            return found.respond(request)

        return [
            *(Route(path, page, methods=["GET"]) for path in self.pages),
            Route(f"{_ASSETS}{{name}}", asset, methods=["GET"]),
        ]


def load_pages(folder: Traversable = PAGE_FOLDER) -> WebPages:
    """The built pages in `folder`, read into memory. Where they are not built, each page says that."""
    if not (folder / "index.html").is_file():
        missing = StaticFile(_NOT_BUILT, "text/html", headers=_PAGE_HEADERS)
        return WebPages(dict.fromkeys(PAGES, missing), {})
    pages = {path: _read(folder, name, _PAGE_HEADERS) for path, name in PAGES.items()}
    names = {entry.name for entry in (folder / "assets").iterdir()}
    originals = sorted(name for name in names if not name.endswith(tuple(CODINGS.values())))
    assets = {_ASSETS + name: _read(folder / "assets", name, _ASSET_HEADERS) for name in originals}
    return WebPages(pages, assets)


def _read(folder: Traversable, name: str, headers: dict[str, str]) -> StaticFile:
    coded = {coding: folder / (name + ending) for coding, ending in CODINGS.items()}
    media_type = _MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return StaticFile(
        (folder / name).read_bytes(),
        media_type,
        {coding: path.read_bytes() for coding, path in coded.items() if path.is_file()},
        headers,
    )


def _reads_html(accept: str) -> bool:
    """Whether the client takes a page, as browsers do; API clients ask for JSON."""
    types = [part.partition(";")[0].strip().lower() for part in list_members(accept)]
    return not accept.strip() or any(kind in ("text/html", "text/*", "*/*") for kind in types)
