"""The ESM build in a real browser, on a page of another origin than the server's."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.server import run_server
from tests.support.services.page_server import PageServer, report_of

PAGE = Path(__file__).with_name("page.html")


@pytest.mark.slow
def test_a_page_streams_from_a_server_that_allows_its_origin(
    node_sdk: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = {f"sdk/{path.name}": path.read_bytes() for path in (node_sdk / "dist" / "esm").glob("*.js")}
    with PageServer() as pages:
        allowed = {"FOREFRONT_SERVER_CORS_ORIGINS": pages.origin}
        home = tmp_path_factory.mktemp("browser")
        with run_server(["forefront-mini"], home, environment=allowed) as server:
            settings = urlencode({"url": server.url, "key": server.key})
            page = PAGE.read_text().replace("SETTINGS", settings)
            report = json.loads(report_of(pages, files | {"index.html": page.encode()}))
    assert "failed" not in report, report
    assert len(report["pieces"]) > 10
    assert "".join(report["pieces"]) == report["whole"]
    assert report["requestID"].startswith("req_")
    assert report["error"]["requestID"].startswith("req_")
    assert (report["error"]["name"], report["error"]["status"]) == ("AuthenticationError", 401)
