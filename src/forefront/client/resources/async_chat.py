"""`client.chat.completions` of the asynchronous client."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from forefront.client.chat_stream import AsyncChatStreamManager
from forefront.client.decoding import read_cancelled, read_chunk, read_completion, read_preflight
from forefront.client.request import cancel_call, chat_call, preflight_call, stream_call
from forefront.client.resources.chat_raw import AsyncRawChatCompletions
from forefront.client.resources.message_params import MessageParam
from forefront.client.resources.params import ChatParams, ConversationParams
from forefront.client.settings import ClientSettings
from forefront.client.stream import AsyncStream
from forefront.client.structured import ParsedCompletion, ResponseSchema
from forefront.wire.completions.response import CancelledCompletion, ChatCompletion, ChatCompletionChunk, Preflight

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport

T = TypeVar("T")


class AsyncChatCompletions:
    """`ChatCompletions`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> AsyncRawChatCompletions:
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawChatCompletions(self._settings, self._transport)

    @overload
    async def create(
        self,
        *,
        messages: Iterable[MessageParam],
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    async def create(
        self, *, messages: Iterable[MessageParam], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> AsyncStream[ChatCompletionChunk]: ...
    @overload
    async def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]: ...
    async def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """`ChatCompletions.create`, for asyncio."""
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            return AsyncStream(await self._transport.open(call), read_chunk)
        return read_completion(await self._transport.send(call))

    def stream(self, *, messages: Iterable[MessageParam], **params: Unpack[ChatParams]) -> AsyncChatStreamManager:
        """`ChatCompletions.stream`, for asyncio: `async with … as stream`."""
        call = stream_call(self._settings, messages, params)
        return AsyncChatStreamManager(lambda: self._transport.open(call))

    @overload
    async def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> ParsedCompletion[Any]: ...
    @overload
    async def parse(
        self, *, messages: Iterable[MessageParam], response_format: type[T], **params: Unpack[ConversationParams]
    ) -> ParsedCompletion[T]: ...
    async def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: type[T] | Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> ParsedCompletion[T]:
        """`ChatCompletions.parse`, for asyncio."""
        schema: ResponseSchema[T] = ResponseSchema(response_format)
        call = chat_call(self._settings, messages, None, {**params, "response_format": schema.response_format})
        return schema.read(await self._transport.send(call))

    async def cancel(self, completion_id: str) -> CancelledCompletion:
        """`ChatCompletions.cancel`, for asyncio."""
        return read_cancelled(await self._transport.send(cancel_call(self._settings, completion_id)))

    async def preflight(self, *, messages: Iterable[MessageParam], **params: Unpack[ChatParams]) -> Preflight:
        """`ChatCompletions.preflight`, for asyncio."""
        return read_preflight(await self._transport.send(preflight_call(self._settings, messages, params)))


class AsyncChat:
    """`Chat`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self.completions = AsyncChatCompletions(settings, transport)
