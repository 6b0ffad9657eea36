"""An API with its own error body, key header and request id: by its paths, from the first middleware on."""

import json
from collections.abc import Mapping

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from forefront.gateway.keys.principal import Principal
from forefront.server.http.api_conventions import ApiConventions, conventions_for
from forefront.server.http.body_memory import BodyMemory, RequestMemory
from forefront.server.http.request_context import RequestContext
from forefront.server.middleware.auth import AuthMiddleware, KeyAuthenticator
from forefront.server.middleware.error_handlers import error_response
from forefront.server.middleware.request_id import RequestIdMiddleware
from forefront.wire.errors import RequestError


def other_error(error: RequestError, request_id: str) -> bytes:
    return json.dumps({"type": "error", "error": {"message": error.message}, "request_id": request_id}).encode()


OTHER = ApiConventions(other_error, b"x-api-key", (b"x-request-id", b"request-id"))
TABLE: Mapping[str, ApiConventions] = {"/v1/messages": OTHER}


class Keys:
    """Has no keys, and records the keys that are looked up."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []

    async def find(self, key: str) -> Principal | None:
        self.looked_up.append(key)
        return None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    await error_response(RequestError("not_found", "no"), scope)(scope, receive, send)


@pytest.mark.parametrize(
    ("path", "other"),
    [("/v1/messages", True), ("/v1/messages/count", True), ("/v1/messages2", False), ("/v1/chat/completions", False)],
)
async def test_the_path_decides(path: str, other: bool) -> None:
    assert (conventions_for({"path": path, "headers": []}, TABLE) is OTHER) is other
    keys = Keys()
    app = RequestIdMiddleware(
        AuthMiddleware(application, KeyAuthenticator(keys)),  # type: ignore[arg-type]
        BodyMemory(),
        TABLE,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        answer = await client.post(path, headers={"x-api-key": "a key", "x-request-id": "r1"})
        await client.post(path, headers={"x-api-key": "a key", "authorization": "Bearer another"})
    assert answer.status_code == 401
    assert answer.headers["x-request-id"] == "r1"
    assert ("request-id" in answer.headers) is other
    if other:
        assert answer.json() | {"error": {}} == {"type": "error", "error": {}, "request_id": "r1"}
    else:
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert keys.looked_up == (["a key", "another"] if other else ["another"])


async def test_errors_of_the_application_follow_them_too() -> None:
    app = RequestIdMiddleware(application, BodyMemory(), TABLE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        assert (await client.get("/v1/messages/x")).json()["type"] == "error"
        assert (await client.get("/v1/models")).json()["error"]["type"] == "not_found_error"


def test_a_copy_of_the_context_keeps_them() -> None:
    memory = RequestMemory(BodyMemory())
    assert RequestContext("r", memory, OTHER).with_memory(memory).conventions is OTHER
