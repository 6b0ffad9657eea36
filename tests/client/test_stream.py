"""Streams: their items, their ends, and what becomes of the connection."""

import gc
from typing import Any

import httpx
import pytest

from forefront import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncStream,
    AuthenticationError,
    ChatCompletionChunk,
    InternalServerError,
    RateLimitError,
    Stream,
)
from tests.client.fakes import COMPLETION, DONE, USER, Body, Server, chunk, events, frame, stream_of


def start(body: Body, **headers: str) -> Stream[ChatCompletionChunk]:
    return Server(stream_of(body, **headers)).client().chat.completions.create(messages=USER, stream=True)


async def start_async(body: Body) -> AsyncStream[ChatCompletionChunk]:
    return await Server(stream_of(body)).async_client().chat.completions.create(messages=USER, stream=True)


def text(item: ChatCompletionChunk) -> str:
    return item.choices[0].delta.content or ""


def test_items() -> None:
    body = Body([*events("Hel", "lo 🎉"), DONE])
    server = Server(stream_of(body))
    with server.client().chat.completions.create(messages=USER, stream=True) as stream:
        items = list(stream)
    assert [text(item) for item in items] == ["Hel", "lo 🎉"]
    assert items[0]["choices"][0]["delta"]["content"] == "Hel"
    assert server.sent["stream"] is True
    assert server.requests[0].headers["accept"] == "text/event-stream"
    assert body.closed
    assert list(stream) == []


def test_a_stream_is_an_iterator() -> None:
    stream = start(Body([*events("a", "b", "c"), DONE]))
    assert text(next(stream)) == "a"
    assert [text(item) for item in stream] == ["b", "c"]


def test_pieces_at_any_place() -> None:
    whole = b"".join([*events("é", "🎉"), DONE])
    stream = start(Body([whole[i : i + 1] for i in range(len(whole))]))
    assert [text(item) for item in stream] == ["é", "🎉"]


def test_usage_is_completed() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    items = list(start(Body([frame(chunk("a", choices=[], usage=usage)), DONE])))
    assert items[0].usage is not None
    assert (items[0].usage.input_tokens, items[0].usage.total_tokens) == (1, 3)


def test_bytes_after_done_are_not_read() -> None:
    assert [text(item) for item in start(Body([*events("a"), DONE + frame(chunk("b"))]))] == ["a"]


def test_a_disconnect_after_done_is_not_an_error() -> None:
    body = Body([*events("a"), DONE], fail=httpx.ReadError("reset"))
    assert [text(item) for item in start(body)] == ["a"]
    assert body.closed


def test_leaving_the_loop_closes() -> None:
    body = Body([*events("a", "b", "c"), DONE])
    stream = start(body)
    for _ in stream:
        break
    assert body.closed
    assert body.read == 1
    assert list(stream) == []


def test_an_exception_in_the_loop_closes() -> None:
    body = Body([*events("a", "b"), DONE])
    with pytest.raises(ZeroDivisionError), start(body) as stream:
        _ = [1 / 0 for _ in stream]
    assert body.closed


@pytest.mark.parametrize("items", [0, 1])
def test_close(items: int) -> None:
    body = Body([*events("a", "b"), DONE])
    stream = start(body)
    for _ in range(items):
        next(stream)
    stream.close()
    stream.close()
    assert body.closed
    with pytest.raises(StopIteration):
        next(stream)


def test_a_dropped_stream_closes() -> None:
    body = Body([*events("a", "b"), DONE])
    next(start(body))
    gc.collect()
    assert body.closed


def test_an_end_without_done_is_an_error() -> None:
    body = Body(events("a"))
    stream = start(body, **{"x-request-id": "req_1"})
    assert text(next(stream)) == "a"
    with pytest.raises(APIConnectionError, match="before the response was complete") as caught:
        next(stream)
    assert caught.value.request_id == "req_1"
    assert body.closed


@pytest.mark.parametrize(
    ("raised", "kind"), [(httpx.ReadError("x"), APIConnectionError), (httpx.ReadTimeout("x"), APITimeoutError)]
)
def test_a_disconnect_before_done_is_an_error(raised: Exception, kind: type[APIError]) -> None:
    body = Body(events("a"), fail=raised)
    with pytest.raises(kind):
        list(start(body))
    assert body.closed


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"message": "m", "code": "engine_failed"}, InternalServerError, 500),
        ({"message": "m", "code": "rate_limit_exceeded"}, RateLimitError, 429),
        ({"message": "m", "code": 429}, RateLimitError, 429),
        ({"message": "m", "type": "authentication_error"}, AuthenticationError, 401),
        ({"message": "m", "type": "server_error", "code": "unheard_of"}, InternalServerError, 500),
        ({"message": "m"}, APIError, None),
        ("m", APIError, None),
    ],
)
def test_an_error_within_is_raised(error: Any, kind: type[APIError], status: int | None) -> None:
    body = Body([*events("a"), frame({"error": error}), DONE])
    stream = start(body)
    assert text(next(stream)) == "a"
    with pytest.raises(APIError) as caught:
        next(stream)
    assert type(caught.value) is kind
    assert caught.value.message == "m"
    if isinstance(caught.value, APIStatusError):
        assert caught.value.status_code == status
    assert body.closed


@pytest.mark.parametrize("data", [b"data: nonsense\n\n", b"data: []\n\n", b"data: " + b"[" * 100_000 + b"\n\n"])
def test_garbage_inside_a_message_is_an_error(data: bytes) -> None:
    body = Body([data])
    with pytest.raises(APIError, match="not a JSON object"):
        list(start(body))
    assert body.closed


def test_an_endless_event_is_an_error() -> None:
    body = Body([b"data: " + b"x" * 2**20] * 40)
    with pytest.raises(APIError, match="excessive length"):
        list(start(body))
    assert body.closed
    assert body.read < 20


def test_an_error_status_is_raised_at_once() -> None:
    body = Body([b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'])
    server = Server(httpx.Response(429, stream=body, headers={"content-type": "application/json"}))
    with pytest.raises(RateLimitError, match="slow down"):
        server.client().chat.completions.create(messages=USER, stream=True)
    assert body.closed


def test_a_server_that_does_not_stream_is_an_error() -> None:
    with pytest.raises(APIError, match="answered with application/json, not with a stream"):
        Server(httpx.Response(200, json=COMPLETION)).client().chat.completions.create(messages=USER, stream=True)


async def test_async_items() -> None:
    body = Body([*events("Hel", "lo"), DONE])
    async with await start_async(body) as stream:
        assert text(await anext(stream)) == "Hel"
        assert [text(item) async for item in stream] == ["lo"]
    assert body.closed


async def test_async_leaving_the_loop_closes() -> None:
    body = Body([*events("a", "b", "c"), DONE])
    async with await start_async(body) as stream:
        async for _ in stream:
            break
    assert body.closed
    assert body.read == 1


@pytest.mark.parametrize("items", [0, 1])
async def test_async_close(items: int) -> None:
    body = Body([*events("a", "b"), DONE])
    stream = await start_async(body)
    for _ in range(items):
        await anext(stream)
    await stream.close()
    assert body.closed
    assert [item async for item in stream] == []


async def test_async_errors() -> None:
    body = Body(events("a"))
    with pytest.raises(APIConnectionError, match="before the response was complete"):
        _ = [item async for item in await start_async(body)]
    assert body.closed
    with pytest.raises(APITimeoutError):
        _ = [item async for item in await start_async(Body([], fail=httpx.ReadTimeout("x")))]
    server = Server(httpx.Response(429, json={"error": {"message": "slow down"}}))
    with pytest.raises(RateLimitError):
        await server.async_client().chat.completions.create(messages=USER, stream=True)
