"""Every route of the routing table counts towards the limits of the key that calls it, or is in a written list."""

from typing import Any, Final

import httpx
import pytest

from forefront.server.middleware.auth import OPEN_PATHS, scopes_for
from tests.security.routes import fill, route_table
from tests.server.routes.admin.test_admin_routes import make_key
from tests.support.server import RunningServer

# Routes that look into the server's memory and do nothing else.
UNCOUNTED: Final = {"/v1/models", "/v1/models/{id:path}", "/v1/chat/completions/{id}/cancel"}
_CHAT: Final[dict[str, Any]] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": 1,
}
# A body for each route that reads one. A new route that reads a body belongs in this table.
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/chat/completions": _CHAT,
    "/v1/chat/completions/preflight": _CHAT,
    "/v1/completions": {"model": "tiny", "prompt": "Hi", "max_tokens": 1},
    "/v1/messages": _CHAT,
    "/v1/messages/count_tokens": {"model": "tiny", "messages": _CHAT["messages"]},
    "/v1/responses": {"model": "tiny", "input": "Hi", "max_output_tokens": 1},
    "/v1/responses/input_tokens": {"model": "tiny", "input": "Hi"},
    "/v1/conversations": {},
    "/v1/conversations/{id}": {"metadata": {}},
    "/v1/conversations/{id}/items": {"items": [{"role": "user", "content": "Hi"}]},
    "/v1/embeddings": {"model": "tiny", "input": "Hi"},
    "/v1/rerank": {"model": "tiny", "query": "Hi", "documents": ["Hi"]},
    "/v1/tokenize": {"model": "tiny", "prompt": "Hi"},
    "/v1/detokenize": {"model": "tiny", "tokens": [5]},
}


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Method and path of each route that has to count."""
    routes = route_table(tmp_path_factory.mktemp("routes"))
    ordinary = [route for route in routes if not (_is_open(route.path) or "admin" in scopes_for(route.path))]
    assert {route.path for route in ordinary} >= UNCOUNTED | set(BODIES)
    pairs = [(method, route.path) for route in ordinary for method in sorted(route.methods or {"POST"})]
    return [(method, path) for method, path in pairs if path not in UNCOUNTED]


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith("/assets/")


def send(client: httpx.Client, method: str, path: str, **fields: Any) -> httpx.Response:
    """A request that the route serves, or refuses since there is nothing of that id."""
    body = BODIES.get(path, {}) | fields if method == "POST" else None
    return client.request(method, fill(path, "x"), json=body)


def test_a_route_counts_its_requests(server: RunningServer, counted: list[tuple[str, str]]) -> None:
    for method, path in counted:
        _, client = make_key(server, limits={"requests_per_minute": 1})
        with client:
            first, second = (send(client, method, path) for _ in range(2))
        assert first.status_code in (200, 400, 404), (method, path, first.text)
        assert second.status_code == 429, (method, path, second.text)
        assert first.headers["x-ratelimit-remaining-requests"] == "0", (method, path)


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": f"resp_{'0' * 28}"},
        {"conversation": "conv_none"},
        {"input": [{"type": "item_reference", "id": f"msg_{'0' * 32}"}]},
        {"store": True, "input": "x" * (5 * 2**20)},
    ],
    ids=["response", "conversation", "item", "size"],
)
def test_a_request_that_the_store_refuses_counts(server: RunningServer, fields: dict[str, Any]) -> None:
    _, client = make_key(server, limits={"requests_per_minute": 1})
    with client:
        first, second = (send(client, "POST", "/v1/responses", **fields) for _ in range(2))
    assert first.status_code in (404, 413), first.text
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert second.status_code == 429


def test_an_unknown_model_is_refused_before_the_store_is_read(server: RunningServer) -> None:
    _, client = make_key(server, limits={"requests_per_minute": 1})
    with client:
        fields = {"model": "none", "previous_response_id": f"resp_{'0' * 28}"}
        answers = [send(client, "POST", "/v1/responses", **fields) for _ in range(2)]
    assert [answer.json()["error"]["code"] for answer in answers] == ["model_not_found"] * 2
