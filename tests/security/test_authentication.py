"""Every route needs a key, by every method and every variant of its path."""

import httpx
import pytest

from forefront.server.middleware.auth import OPEN_PATHS
from tests.security.errors import check_error
from tests.security.raw import exchange, request
from tests.security.routes import METHODS, fill, route_table
from tests.support.server import RunningServer

# The public paths. A new public path belongs in this list.
ALLOWED = {"/health", "/ready", "/openapi.json", "/docs", "/", "/dashboard"}
HOSTS = [
    "x/?",
    "x/#",
    "x/health?",
    "x/health#",
    "localhost/health",
    "/health",
    "x@y/ready",
    "x\\health",
    "",
    "[::1]/health",
]
DISGUISES = [
    "X-Original-URL: /health",
    "X-Rewrite-URL: /health",
    "X-Forwarded-Uri: /health",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Prefix: /health",
    "X-HTTP-Method-Override: OPTIONS",
    "Forwarded: for=127.0.0.1;host=health",
    "Upgrade: websocket",
    "Authorization: Basic dXNlcjpwYXNz",
    "Authorization: Bearer",
    "Authorization: Bearer null",
    "Api-Key: test-key-0123456789-abcdefghij",
    "Cookie: authorization=Bearer test-key-0123456789-abcdefghij",
]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every path there is, and some that there are not."""
    real = [fill(route.path, "x") for route in route_table(tmp_path_factory.mktemp("routes"))]
    assert {"/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"} <= set(real)
    return [*dict.fromkeys(real), "/nothing", "/v1", "/admin", "/metrics", "/favicon.ico", "/.env"]


def test_the_public_paths_are_exactly_these(paths: list[str]) -> None:
    assert OPEN_PATHS == ALLOWED
    assert set(paths) >= ALLOWED


@pytest.mark.slow
def test_every_route_requires_a_key_for_every_method(server: RunningServer, paths: list[str]) -> None:
    with httpx.Client(base_url=server.url) as client:
        for path in paths:
            if path in ALLOWED:
                continue
            for method in METHODS:
                for headers in ({}, {"authorization": "Bearer ff-not-a-key"}):
                    response = client.request(method, path, headers=headers)
                    assert response.status_code == 401, (method, path, response.text)
                    assert response.headers["www-authenticate"] == "Bearer"
                    if method != "HEAD":
                        assert check_error(401, response.content)["code"] == "invalid_api_key"


def test_public_paths_reveal_nothing_else(server: RunningServer) -> None:
    with httpx.Client(base_url=server.url) as client:
        for path in ALLOWED:
            for method in METHODS:
                response = client.request(method, path, headers={"authorization": "Bearer ff-not-a-key"})
                assert response.status_code == (200 if method in ("GET", "HEAD") else 405)
                # The same for everybody, and nothing of this server's keys, models or projects.
                if method == "GET":
                    with_key = client.get(path, headers={"authorization": f"Bearer {server.key}"})
                    assert response.content == with_key.content
                for own in (server.key, "tiny.gguf", '"id":"tiny"'):
                    assert own not in response.text


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_header_opens_a_route(server: RunningServer, paths: list[str], host: str) -> None:
    for path in paths:
        if path in ALLOWED:
            continue
        for method in ("GET", "POST"):
            raw_response = exchange(server.url, request(method, path, f"Host: {host}", "Connection: close"))
            assert raw_response.status in (400, 401), (method, path, raw_response)


@pytest.mark.parametrize("header", DISGUISES)
def test_no_other_header_opens_a_route(server: RunningServer, paths: list[str], header: str) -> None:
    for path in paths:
        if path not in ALLOWED:
            raw_response = exchange(server.url, request("GET", path, "Host: x", header, "Connection: close"))
            assert raw_response.status == 401, (path, raw_response)


@pytest.mark.parametrize(
    "target",
    [
        "/health/../v1/models",
        "/health/..%2fv1/models",
        "/health%2f..%2fv1/models",
        "/health;/v1/models",
        "/health//v1/models",
        "/health/",
        "/health%20",
        "/health%00",
        "/HEALTH",
        "//health/v1/models",
        "/./health",
        "/v1/models?/health",
        "/v1/models?path=/health",
        "/v1/models#/health",
        "/v1/models/..",
        "/v1/%6dodels",
        "/v1/models%2f",
        "http://x/v1/models?http://x/health",
        "http://health/v1/models",
        "*",
    ],
)
def test_no_variant_of_a_path_bypasses_authentication(server: RunningServer, target: str) -> None:
    raw_response = exchange(server.url, request("GET", target, "Host: x", "Connection: close"))
    assert raw_response.status in (400, 401), raw_response
    assert b'"object":"list"' not in raw_response.content


def test_a_trailer_is_no_header(server: RunningServer) -> None:
    """A trailer must not change a decision made by the headers."""
    chunked = b"2\r\n{}\r\n0\r\nAuthorization: Bearer " + server.key.encode() + b"\r\n\r\n"
    head = ("Host: x", "Connection: close", "Transfer-Encoding: chunked", "Trailer: Authorization")
    raw_response = exchange(server.url, request("POST", "/v1/chat/completions", *head, body=chunked))
    assert raw_response.status == 401


def test_the_key_of_a_request_does_not_apply_to_the_next(server: RunningServer) -> None:
    first = request("GET", "/v1/models", "Host: x", f"Authorization: Bearer {server.key}")
    raw_response = exchange(server.url, first + request("GET", "/v1/models", "Host: x", "Connection: close"))
    assert raw_response.status == 200
    assert raw_response.count == 2
    assert b"HTTP/1.1 401" in raw_response.content
