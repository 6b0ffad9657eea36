"""`client.chat.completions.with_raw_response`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from forefront.client.decoding import read_chunk, read_completion, read_preflight
from forefront.client.request import chat_call, preflight_call
from forefront.client.resources.params import ChatParams, ConversationParams, MessageLike
from forefront.client.resources.raw_response import RawResponse, raw
from forefront.client.settings import Settings
from forefront.client.stream import AsyncStream, Stream
from forefront.client.structured import Form, ParsedCompletion
from forefront.wire.response import ChatCompletion, ChatCompletionChunk, Preflight

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport, Transport

T = TypeVar("T")


class RawCompletions:
    """The methods of `Completions`, with the responses that they had."""

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
    ) -> RawResponse[ChatCompletion]: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageLike], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> RawResponse[Stream[ChatCompletionChunk]]: ...
    def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[Stream[ChatCompletionChunk]]:
        """`Completions.create`."""
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            incoming = self._transport.open(call)
            return RawResponse(incoming, lambda: Stream(incoming, read_chunk))
        return raw(self._transport.send(call), read_completion)

    @overload
    def parse(
        self,
        *,
        messages: Iterable[MessageLike],
        response_format: Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[Any]]: ...
    @overload
    def parse(
        self, *, messages: Iterable[MessageLike], response_format: type[T], **params: Unpack[ConversationParams]
    ) -> RawResponse[ParsedCompletion[T]]: ...
    def parse(
        self,
        *,
        messages: Iterable[MessageLike],
        response_format: type[T] | Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[T]]:
        """`Completions.parse`; the `parse()` of what it returns raises its `ParseError`."""
        form: Form[T] = Form(response_format)
        call = chat_call(self._settings, messages, None, {**params, "response_format": form.response_format})
        return raw(self._transport.send(call), form.completion)

    def preflight(self, *, messages: Iterable[MessageLike], **params: Unpack[ChatParams]) -> RawResponse[Preflight]:
        """`Completions.preflight`."""
        return raw(self._transport.send(preflight_call(self._settings, messages, params)), read_preflight)


class AsyncRawCompletions:
    """`RawCompletions`, for asyncio."""

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
    ) -> RawResponse[ChatCompletion]: ...
    @overload
    async def create(
        self, *, messages: Iterable[MessageLike], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> RawResponse[AsyncStream[ChatCompletionChunk]]: ...
    async def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[AsyncStream[ChatCompletionChunk]]:
        """`Completions.create`."""
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            incoming = await self._transport.open(call)
            return RawResponse(incoming, lambda: AsyncStream(incoming, read_chunk))
        return raw(await self._transport.send(call), read_completion)

    @overload
    async def parse(
        self,
        *,
        messages: Iterable[MessageLike],
        response_format: Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[Any]]: ...
    @overload
    async def parse(
        self, *, messages: Iterable[MessageLike], response_format: type[T], **params: Unpack[ConversationParams]
    ) -> RawResponse[ParsedCompletion[T]]: ...
    async def parse(
        self,
        *,
        messages: Iterable[MessageLike],
        response_format: type[T] | Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> RawResponse[ParsedCompletion[T]]:
        """`Completions.parse`; the `parse()` of what it returns raises its `ParseError`."""
        form: Form[T] = Form(response_format)
        call = chat_call(self._settings, messages, None, {**params, "response_format": form.response_format})
        return raw(await self._transport.send(call), form.completion)

    async def preflight(
        self, *, messages: Iterable[MessageLike], **params: Unpack[ChatParams]
    ) -> RawResponse[Preflight]:
        """`Completions.preflight`."""
        return raw(await self._transport.send(preflight_call(self._settings, messages, params)), read_preflight)
