"""`client.chat.completions.with_raw_response`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from forefront.client.decoding import read_chunk, read_completion, read_preflight
from forefront.client.request import chat_call, preflight_call
from forefront.client.resources.message_params import MessageParam
from forefront.client.resources.params import ChatParams, ConversationParams
from forefront.client.resources.raw_response import RawResponse, raw_response
from forefront.client.settings import ClientSettings
from forefront.client.stream import AsyncStream, Stream
from forefront.client.structured import ParsedCompletion, ResponseSchema
from forefront.wire.completions.response import ChatCompletion, ChatCompletionChunk, Preflight

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport, Transport

T = TypeVar("T")


class RawChatCompletions:
    """The methods of `ChatCompletions`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @overload
    def create(
        self,
        *,
        messages: Iterable[MessageParam],
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> RawResponse[ChatCompletion]: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageParam], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> RawResponse[Stream[ChatCompletionChunk]]: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[Stream[ChatCompletionChunk]]: ...
    def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[Stream[ChatCompletionChunk]]:
        """`ChatCompletions.create`."""
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            response = self._transport.open(call)
            return RawResponse(response, lambda: Stream(response, read_chunk))
        return raw_response(self._transport.send(call), read_completion)

    @overload
    def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[Any]]: ...
    @overload
    def parse(
        self, *, messages: Iterable[MessageParam], response_format: type[T], **params: Unpack[ConversationParams]
    ) -> RawResponse[ParsedCompletion[T]]: ...
    def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: type[T] | Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[T]]:
        """`ChatCompletions.parse`; the `parse()` of what it returns raises its `ParseError`."""
        schema: ResponseSchema[T] = ResponseSchema(response_format)
        call = chat_call(self._settings, messages, None, {**params, "response_format": schema.response_format})
        return raw_response(self._transport.send(call), schema.read)

    def preflight(self, *, messages: Iterable[MessageParam], **params: Unpack[ChatParams]) -> RawResponse[Preflight]:
        """`ChatCompletions.preflight`."""
        return raw_response(self._transport.send(preflight_call(self._settings, messages, params)), read_preflight)


class AsyncRawChatCompletions:
    """`RawChatCompletions`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @overload
    async def create(
        self,
        *,
        messages: Iterable[MessageParam],
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> RawResponse[ChatCompletion]: ...
    @overload
    async def create(
        self, *, messages: Iterable[MessageParam], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> RawResponse[AsyncStream[ChatCompletionChunk]]: ...
    @overload
    async def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[AsyncStream[ChatCompletionChunk]]: ...
    async def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[AsyncStream[ChatCompletionChunk]]:
        """`ChatCompletions.create`."""
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            response = await self._transport.open(call)
            return RawResponse(response, lambda: AsyncStream(response, read_chunk))
        return raw_response(await self._transport.send(call), read_completion)

    @overload
    async def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[Any]]: ...
    @overload
    async def parse(
        self, *, messages: Iterable[MessageParam], response_format: type[T], **params: Unpack[ConversationParams]
    ) -> RawResponse[ParsedCompletion[T]]: ...
    async def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: type[T] | Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[T]]:
        """`ChatCompletions.parse`; the `parse()` of what it returns raises its `ParseError`."""
        schema: ResponseSchema[T] = ResponseSchema(response_format)
        call = chat_call(self._settings, messages, None, {**params, "response_format": schema.response_format})
        return raw_response(await self._transport.send(call), schema.read)

    async def preflight(
        self, *, messages: Iterable[MessageParam], **params: Unpack[ChatParams]
    ) -> RawResponse[Preflight]:
        """`ChatCompletions.preflight`."""
        return raw_response(
            await self._transport.send(preflight_call(self._settings, messages, params)), read_preflight
        )
