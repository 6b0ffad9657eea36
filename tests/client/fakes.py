"""A server made of functions: requests are recorded, responses are given."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from forefront import AsyncForefrontClient, ForefrontClient, MessageParam

COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "system_fingerprint": None,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 2,
        "completion_tokens": 1,
        "input_tokens": 2,
        "output_tokens": 1,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
    "message": {"role": "assistant", "content": "Hi", "refusal": None},
    "receipt": None,
}
DONE = b": message\ndata: [DONE]\n\n"
USER: list[MessageParam] = [{"role": "user", "content": "Hello"}]


def chunk(content: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def frame(payload: Any) -> bytes:
    return b": message\ndata: " + json.dumps(payload).encode() + b"\n\n"


def events(*contents: str) -> list[bytes]:
    return [frame(chunk(content)) for content in contents]


@dataclass
class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, which may end in an exception. Records whether it was closed, and how far it was read."""

    pieces: list[bytes]
    fail: BaseException | None = None
    closed: bool = False
    read: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.read += 1
            yield piece
        if self.fail:
            raise self.fail

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def stream_of(body: Body, **headers: str) -> httpx.Response:
    return httpx.Response(200, stream=body, headers={"content-type": "text/event-stream; charset=utf-8"} | headers)


@dataclass
class Server:
    """Answers every request with `answer`."""

    answer: httpx.Response | Exception | Callable[[httpx.Request], httpx.Response] = field(
        default_factory=lambda: httpx.Response(200, json=COMPLETION)
    )
    requests: list[httpx.Request] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, httpx.Response) else self.answer(request)

    @property
    def sent(self) -> dict[str, Any]:
        """The JSON of the last request."""
        body: dict[str, Any] = json.loads(self.requests[-1].content)
        return body

    def client(self, api_key: str = "sk-canary", **settings: Any) -> ForefrontClient:
        http = httpx.Client(transport=httpx.MockTransport(self.handle))
        return ForefrontClient(
            api_key, **{"default_model": "m", "base_url": "http://host", "max_retries": 0, **settings}, http_client=http
        )

    def async_client(self, api_key: str = "sk-canary", **settings: Any) -> AsyncForefrontClient:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))
        settings = {"default_model": "m", "base_url": "http://host", "max_retries": 0, **settings}
        return AsyncForefrontClient(api_key, **settings, http_client=http)
