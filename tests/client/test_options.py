"""One client made from another, and answers with their responses."""

import httpx
import pytest

from forefront import APIError, ForefrontError, NotFoundError, RawResponse, Timeout
from tests.client.fakes import COMPLETION, DONE, USER, Body, Server, events, stream_of


def test_with_options() -> None:
    server = Server()
    client = server.client(timeout=9, headers={"x-a": "1", "x-b": "1"})
    other = client.with_options(default_model="n", timeout=Timeout(read=2, connect=1), headers={"x-b": "2"})
    other.chat.completions.create(messages=USER)
    timeout = server.requests[0].extensions["timeout"]
    assert (server.sent["model"], timeout["read"], timeout["connect"]) == ("n", 2, 1)
    assert (server.requests[0].headers["x-a"], server.requests[0].headers["x-b"]) == ("1", "2")
    assert server.requests[0].headers["authorization"] == "Bearer sk-canary"
    client.chat.completions.create(messages=USER)
    assert (server.sent["model"], server.requests[1].extensions["timeout"]["read"]) == ("m", 9)


async def test_with_options_async() -> None:
    server = Server(httpx.Response(503, json={}, headers={"retry-after-ms": "1"}))
    client = server.async_client().with_options(max_retries=3)
    with pytest.raises(APIError):
        await client.chat.completions.create(messages=USER)
    assert len(server.requests) == 4


def test_invalid_options() -> None:
    client = Server().client()
    with pytest.raises(TypeError, match="no option `model`"):
        client.with_options(model="n")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="max_retries"):
        client.with_options(max_retries=-1)
    with pytest.raises(ValueError, match="timeout"):
        client.with_options(timeout=0)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_invalid_timeouts(bad: float) -> None:
    for make in (lambda: Timeout(total=bad), lambda: Timeout(connect=bad), lambda: Server().client(timeout=bad)):
        with pytest.raises(ValueError, match="positive number of seconds"):
            make()
    with pytest.raises(ValueError, match="whole number"):
        Server().client(max_retries=1.5)


def test_raw_responses() -> None:
    server = Server(httpx.Response(200, json=COMPLETION, headers={"x-request-id": "req_1", "X-Ignored-Params": "a"}))
    raw = server.client().chat.completions.with_raw_response.create(messages=USER)
    assert isinstance(raw, RawResponse)
    assert (raw.status_code, raw.request_id, raw.retries) == (200, "req_1", 0)
    assert raw.headers["x-ignored-params"] == "a"
    assert raw.parse().message.content == "Hi"
    assert raw.parse() is raw.parse()
    assert raw.content.startswith(b"{")


def test_a_raw_stream() -> None:
    body = Body([*events("a", "b"), DONE])
    server = Server(stream_of(body, **{"x-request-id": "req_1"}))
    raw = server.client().chat.completions.with_raw_response.create(messages=USER, stream=True)
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert (raw.request_id, body.read) == ("req_1", 0)
    assert [chunk.choices[0].delta.content for chunk in raw.parse()] == ["a", "b"]
    assert body.closed


async def test_raw_responses_async() -> None:
    server = Server(httpx.Response(200, json={"data": [{"id": "a"}]}, headers={"x-request-id": "req_1"}))
    raw = await server.async_client().models.with_raw_response.list()
    assert (raw.request_id, raw.parse().data[0].id) == ("req_1", "a")


def test_retries_are_counted() -> None:
    answers = iter([httpx.Response(503, headers={"retry-after-ms": "1"}), httpx.Response(200, json=COMPLETION)])
    server = Server(lambda request: next(answers))
    raw = server.client(max_retries=1).chat.completions.with_raw_response.create(messages=USER)
    assert raw.retries == 1


def test_a_raw_error_is_raised() -> None:
    server = Server(httpx.Response(404, json={"error": {"message": "none"}}, headers={"x-a": "1"}))
    with pytest.raises(NotFoundError) as caught:
        server.client().models.with_raw_response.retrieve("a")
    assert caught.value.headers["x-a"] == "1"


def test_an_error_s_headers_hold_no_key() -> None:
    with pytest.raises(ForefrontError) as caught:
        Server(httpx.Response(500)).client().models.list()
    assert "sk-canary" not in repr(vars(caught.value))
