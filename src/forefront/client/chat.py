"""`client.chat.completions`: ask for answers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Unpack, overload

from forefront.client.request import ChatParams, MessageLike, chat_call
from forefront.client.result import read_chunk, read_completion
from forefront.client.settings import Settings
from forefront.client.stream import AsyncStream, Stream
from forefront.wire.response import ChatCompletion, ChatCompletionChunk

if TYPE_CHECKING:
    from forefront.client.transport import AsyncTransport, Transport


class Completions:
    """Chat completions."""

    def __init__(self, settings: Settings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @overload
    def create(
        self,
        *,
        messages: Iterable[MessageLike],
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageLike], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """Ask the model to go on with the conversation.

        `messages` are dicts with `role` and `content`, or messages of earlier completions. With `stream` the answer
        comes as chunks while it is made, else whole. The other parameters are those of `ChatParams`: `model`,
        `max_tokens`, `temperature`, `top_p`, `top_k`, `min_p`, `stop`, `seed`, `n`, `logprobs`, `top_logprobs`,
        `presence_penalty`, `frequency_penalty`, `repetition_penalty`, `logit_bias`, `stream_options`, `extra_body`,
        `timeout`; only those given are sent.

        Raises `APIError`; `TypeError` or `ValueError` for arguments that cannot be sent.
        """
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            return Stream(self._transport.open(call), read_chunk)
        return read_completion(self._transport.send(call))


class AsyncCompletions:
    """`Completions`, for asyncio."""

    def __init__(self, settings: Settings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @overload
    async def create(
        self,
        *,
        messages: Iterable[MessageLike],
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    async def create(
        self, *, messages: Iterable[MessageLike], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> AsyncStream[ChatCompletionChunk]: ...
    @overload
    async def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]: ...
    async def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """`Completions.create`, for asyncio."""
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            return AsyncStream(await self._transport.open(call), read_chunk)
        return read_completion(await self._transport.send(call))


class Chat:
    """What has to do with chat."""

    def __init__(self, settings: Settings, transport: "Transport") -> None:
        self.completions = Completions(settings, transport)


class AsyncChat:
    """`Chat`, for asyncio."""

    def __init__(self, settings: Settings, transport: "AsyncTransport") -> None:
        self.completions = AsyncCompletions(settings, transport)
