"""The files of the web pages over HTTP: content codings, caching, headers, and a server without built pages."""

import gzip
import re
import zipfile
from pathlib import Path

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder
from starlette.applications import Starlette
from starlette.testclient import TestClient

from forefront.server.routes.pages.web_pages import PAGES, load_pages
from tests.support.programs.node import require_node
from tests.support.server import RunningServer

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def _built(web_pages: None) -> None:
    require_node()


def asset_of(server: RunningServer) -> str:
    """The path of the playground's script."""
    [path] = re.findall(r'<script [^>]*src="(/assets/[^"]+)"', httpx.get(server.url, headers=BROWSER).text)
    return str(path)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_inline_code_and_a_strict_policy(server: RunningServer, path: str) -> None:
    response = httpx.get(server.url + path, headers=BROWSER)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    for header, value in (("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")):
        assert response.headers[header] == value
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", response.text) == []
    assert all(url.startswith("/assets/") for url in re.findall(r'(?:src|href)="([^"]*)"', response.text))


def test_content_codings_and_conditional_requests(server: RunningServer) -> None:
    path = asset_of(server)
    with httpx.Client(base_url=server.url) as client:
        plain = client.get(path, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        tags = {plain.headers["etag"]}
        for accepted, coding in (("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip"), ("BR", "br")):
            with client.stream("GET", path, headers={"accept-encoding": accepted}) as response:
                raw = b"".join(response.iter_raw())
            assert response.headers["content-encoding"] == coding
            assert response.headers["vary"] == "accept-encoding"
            assert int(response.headers["content-length"]) == len(raw) < len(plain.content)
            assert coding != "gzip" or gzip.decompress(raw) == plain.content
            tags.add(response.headers["etag"])
        assert len(tags) == 3
        for known in (plain.headers["etag"], f'"x", W/{plain.headers["etag"]}'):
            again = client.get(path, headers={"accept-encoding": "identity", "if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
        for number, status in ((63, 304), (64, 200)):  # further members of a list are ignored
            known = ", ".join([*['"x"'] * number, plain.headers["etag"]])
            headers = {"accept-encoding": "identity", "if-none-match": known}
            assert client.get(path, headers=headers).status_code == status
        head = client.head(path, headers={"accept-encoding": "identity"})
        assert (head.content, head.headers["content-length"]) == (b"", str(len(plain.content)))


def test_pages_are_checked_for_changes_at_each_visit(server: RunningServer) -> None:
    first = httpx.get(server.url, headers=BROWSER)
    assert first.headers["cache-control"] == "no-cache"
    second = httpx.get(server.url, headers=BROWSER | {"if-none-match": first.headers["etag"]})
    assert second.status_code == 304
    assert second.headers["content-security-policy"] == first.headers["content-security-policy"]


def test_api_clients_get_an_error_at_the_root(server: RunningServer) -> None:
    with server.client() as client:
        refused = client.get("/", headers={"accept": "application/json"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_url")


def test_only_built_files_are_public(server: RunningServer) -> None:
    for path in ("/assets/none.js", asset_of(server) + ".br", "/assets/index.html"):
        assert httpx.get(server.url + path).status_code == 401
        assert server.get(path).json()["error"]["code"] == "unknown_url"


def test_without_the_build_each_page_reports_it(tmp_path: Path) -> None:
    client = TestClient(Starlette(routes=load_pages(tmp_path).routes()))
    for path in PAGES:
        response = client.get(path, headers=BROWSER)
        assert response.status_code == 200
        assert "make page" in response.text
    assert client.get("/assets/index.js").status_code == 404


def test_the_files_are_in_the_wheel(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(Path(__file__).parents[4])).build(directory=str(tmp_path))
    names = zipfile.ZipFile(wheel).namelist()
    assert "forefront/server/page/index.html" in names
    assert "forefront/server/page/licenses.md" in names
    assert any(name.startswith("forefront/server/page/assets/") and name.endswith(".js.br") for name in names)
    assert not any("node_modules" in name for name in names)
