"""Requests to stored responses and conversations count towards requests per minute, not towards concurrency."""

from typing import Any

import httpx
import pytest

from tests.server.routes.admin.test_admin_routes import make_key
from tests.support.backends.instant import KEY, MODEL, Instant
from tests.support.server import RunningServer

ITEM = {"type": "message", "role": "user", "content": "Hello"}
REMAINING = "x-ratelimit-remaining-requests"


@pytest.fixture(scope="module")
def names(server: RunningServer) -> dict[str, str]:
    """Ids of a stored response and of a conversation with an item, of the default project."""
    with server.client() as client:
        response = client.post(
            "/v1/responses", json={"model": "tiny", "input": "x", "store": True, "max_output_tokens": 1}
        )
        conversation = client.post("/v1/conversations", json={"items": [ITEM]}).json()["id"]
        item = client.get(f"/v1/conversations/{conversation}/items").json()["data"][0]["id"]
    return {"response": response.json()["id"], "conversation": conversation, "item": item}


def call(client: httpx.Client, method: str, path: str, body: Any = None) -> tuple[int, str | None]:
    """The status, and the requests that are left."""
    response = client.request(method, path, json=body)
    return response.status_code, response.headers.get(REMAINING)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/responses/{response}", None),
        ("GET", "/v1/responses/{response}/input_items", None),
        ("DELETE", "/v1/responses/resp_unknown", None),
        ("POST", "/v1/conversations", {}),
        ("GET", "/v1/conversations/{conversation}", None),
        ("POST", "/v1/conversations/{conversation}", {"metadata": {}}),
        ("DELETE", "/v1/conversations/conv_unknown", None),
        ("GET", "/v1/conversations/{conversation}/items", None),
        ("POST", "/v1/conversations/{conversation}/items", {"items": [ITEM]}),
        ("GET", "/v1/conversations/{conversation}/items/{item}", None),
        ("DELETE", "/v1/conversations/{conversation}/items/msg_unknown", None),
    ],
)
def test_every_request_counts(
    server: RunningServer, names: dict[str, str], method: str, path: str, body: dict[str, Any] | None
) -> None:
    _, client = make_key(server, limits={"requests_per_minute": 2})
    path = path.format(**names)
    with client:
        (first, left), (second, none_left) = call(client, method, path, body), call(client, method, path, body)
        assert (left, none_left) == ("1", "0")
        assert first == second == (404 if "unknown" in path else 200)
        refused = client.request(method, path, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert (refused.headers[REMAINING], refused.headers["x-should-retry"]) == ("0", "true")
    assert int(refused.headers["retry-after"]) >= 1


def test_a_running_response_is_read_and_cancelled_by_a_key_of_one_slot(slow_server: Instant) -> None:
    admin = httpx.Client(base_url=slow_server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=60)
    with admin:
        limits = {"concurrency": 1, "requests_per_minute": 3}
        key = admin.post("/admin/keys", json={"name": "one", "limits": limits}).json()["key"]
        admin.headers["authorization"] = f"Bearer {key}"
        body = {"model": MODEL, "input": "x", "store": True, "background": True, "max_output_tokens": 1000}
        made = admin.post("/v1/responses", json=body).json()["id"]
        assert [call(admin, "GET", f"/v1/responses/{made}")[0] for _ in range(3)] == [200, 200, 429]
        assert call(admin, "POST", f"/v1/responses/{made}/cancel") == (200, None)
        assert call(admin, "POST", f"/v1/responses/{made}/cancel")[0] == 429
