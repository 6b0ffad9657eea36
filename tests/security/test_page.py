"""The pages and the API description are the same for every client; ranges and paths reach no other file."""

import random

import httpx
import pytest

from tests.security.errors import check_error
from tests.security.raw import exchange, request
from tests.support.server import RunningServer

PATHS = ["/", "/dashboard", "/docs", "/openapi.json"]
RANGES = [
    "bytes=0-0",
    "bytes=0-",
    "bytes=-1",
    "bytes=-0",
    "bytes=5-2",
    "bytes=0-99999999999999999999",
    "bytes=99999999999999999999-",
    "bytes=--5",
    "bytes=0-1,0-1",
    "bytes=" + ",".join(["0-"] * 5000),
    "bytes=" + ",".join(f"{n}-{n}" for n in range(3000)),
    "bytes=a-b",
    "items=0-5",
    "=",
    "",
]
# How names of files are reached where a folder is served.
OUTSIDE = [
    "/../docs.html",
    "/docs.html",
    "/index.html",
    "/licenses.md",
    "/page/docs.html",
    "/assets/",
    "/assets/../docs.html",
    "/assets/..%2fdocs.html",
    "/assets/%2e%2e/%2e%2e/forefront.db",
    "{}/../../../etc/passwd",
    "{}/..%2f..%2f..%2fetc%2fpasswd",
    "{}/%2e%2e/%2e%2e/forefront.db",
    "{}/..%5c..%5cforefront.toml",
    "{}/%252e%252e/forefront.db",
    "{}%00.html",
    "{}/.",
    "{}//etc/passwd",
    "{}/C:/",
    "{};/../forefront.db",
    "{}/docs.js",
    "{}/index.html.br",
]


@pytest.mark.parametrize("path", PATHS)
def test_range_headers_are_ignored(server: RunningServer, path: str) -> None:
    chance = random.Random(7)
    fuzzed = ["bytes=0" + "".join(chance.choices("0123456789-, ", k=chance.randrange(40))).strip() for _ in range(100)]
    with httpx.Client(base_url=server.url) as client:
        whole = client.get(path).content
        for text in [*RANGES, *fuzzed]:
            for header in ({"range": text}, {"range": text, "if-range": "x"}, {"range": text, "if-none-match": "*"}):
                answer = client.get(path, headers=header)
                assert (answer.status_code, answer.content) == (200, whole), header


@pytest.mark.parametrize("path", PATHS)
def test_no_other_files_are_left(server: RunningServer, path: str) -> None:
    for text in OUTSIDE:
        target = text.format(path.rstrip("/"))
        response = exchange(server.url, request("GET", target, "Host: x", "Connection: close"))
        assert check_error(response.status, response.body, echoed=target)["code"] in (
            "invalid_api_key",
            "invalid_http",
        ), target
        key = f"Authorization: Bearer {server.key}"
        response = exchange(server.url, request("GET", target, key, "Host: x", "Connection: close"))
        assert b'"code":"unknown_url"' in response.body or b'"code":"invalid_http"' in response.body, target
