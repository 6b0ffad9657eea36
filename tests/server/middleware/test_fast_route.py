"""What endpoints raise past the router is answered as the router would."""

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.server.http.body_memory import BodyMemory
from forefront.server.middleware.fast_route import FastRoute
from forefront.server.middleware.request_id import RequestIdMiddleware
from forefront.wire.errors import RequestError


async def _elsewhere(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})


def _raising(error: Exception, *, begun: bool = False) -> ASGIApp:
    async def endpoint(_scope: Scope, _receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return endpoint


async def _ask(endpoint: ASGIApp, sent: list[Message], method: str = "POST", path: str = "/x") -> None:
    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": [(b"x-request-id", b"req_1")]}
    app = FastRoute(_elsewhere, {("POST", "/x"): endpoint})
    await RequestIdMiddleware(app, BodyMemory(), {})(scope, receive, send)


async def test_errors_of_the_api_are_answered() -> None:
    sent: list[Message] = []
    await _ask(_raising(RequestError("overloaded", "Later.", retry_after=3)), sent)
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"3") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["error"]["message"] == "Later."


async def test_an_unexpected_exception_is_a_500_without_internals_and_is_logged() -> None:
    sent: list[Message] = []
    with pytest.raises(ZeroDivisionError):
        await _ask(_raising(ZeroDivisionError("secret")), sent)
    assert sent[0]["status"] == 500
    assert b"req_1" in sent[1]["body"]
    assert b"secret" not in sent[1]["body"]


@pytest.mark.parametrize("error", [RequestError("overloaded", "Later."), ZeroDivisionError()])
async def test_nothing_is_added_to_a_started_response(error: Exception) -> None:
    sent: list[Message] = []
    with pytest.raises(type(error)):
        await _ask(_raising(error, begun=True), sent)
    assert [message.get("status") for message in sent] == [200]


async def test_a_page_that_a_client_cannot_read_goes_to_the_router() -> None:
    sent: list[Message] = []
    await _ask(_raising(HTTPException(404)), sent)
    assert sent[0]["status"] == 204


@pytest.mark.parametrize(("method", "path"), [("GET", "/x"), ("POST", "/x/"), ("POST", "/y")])
async def test_other_requests_go_to_the_router(method: str, path: str) -> None:
    sent: list[Message] = []
    await _ask(_raising(AssertionError()), sent, method, path)
    assert sent[0]["status"] == 204
