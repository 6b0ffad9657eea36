"""`client.completions`."""

from typing import TYPE_CHECKING, Literal, Unpack, overload

from forefront.client.decoding import read_text_chunk, read_text_completion
from forefront.client.request import text_call
from forefront.client.resources.params import Prompt, TextParams
from forefront.client.resources.raw_response import RawResponse, raw_response
from forefront.client.settings import ClientSettings
from forefront.client.stream import AsyncStream, Stream
from forefront.wire.completions.response import Completion

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport, Transport


class TextCompletions:
    """Completions of plain text."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "RawTextCompletions":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawTextCompletions(self._settings, self._transport)

    @overload
    def create(
        self, *, prompt: Prompt, stream: Literal[False] | None = None, **params: Unpack[TextParams]
    ) -> Completion: ...
    @overload
    def create(self, *, prompt: Prompt, stream: Literal[True], **params: Unpack[TextParams]) -> Stream[Completion]: ...
    @overload
    def create(
        self, *, prompt: Prompt, stream: bool | None, **params: Unpack[TextParams]
    ) -> Completion | Stream[Completion]: ...
    def create(
        self, *, prompt: Prompt, stream: bool | None = None, **params: Unpack[TextParams]
    ) -> Completion | Stream[Completion]:
        """Continue `prompt`: a text, its token ids, or several of them. With `stream`, the result is a stream.

        The other parameters are those of `TextParams`. Raises `APIError`, and `InvalidArgumentError` for arguments that
        cannot be sent.
        """
        call = text_call(self._settings, prompt, stream, params)
        if call.stream:
            return Stream(self._transport.open(call), read_text_chunk)
        return read_text_completion(self._transport.send(call))


class RawTextCompletions:
    """The methods of `TextCompletions`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @overload
    def create(
        self, *, prompt: Prompt, stream: Literal[False] | None = None, **params: Unpack[TextParams]
    ) -> RawResponse[Completion]: ...
    @overload
    def create(
        self, *, prompt: Prompt, stream: Literal[True], **params: Unpack[TextParams]
    ) -> RawResponse[Stream[Completion]]: ...
    @overload
    def create(
        self, *, prompt: Prompt, stream: bool | None, **params: Unpack[TextParams]
    ) -> RawResponse[Completion] | RawResponse[Stream[Completion]]: ...
    def create(
        self, *, prompt: Prompt, stream: bool | None = None, **params: Unpack[TextParams]
    ) -> RawResponse[Completion] | RawResponse[Stream[Completion]]:
        """`TextCompletions.create`."""
        call = text_call(self._settings, prompt, stream, params)
        if call.stream:
            response = self._transport.open(call)
            return RawResponse(response, lambda: Stream(response, read_text_chunk))
        return raw_response(self._transport.send(call), read_text_completion)


class AsyncTextCompletions:
    """`TextCompletions`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "AsyncRawTextCompletions":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawTextCompletions(self._settings, self._transport)

    @overload
    async def create(
        self, *, prompt: Prompt, stream: Literal[False] | None = None, **params: Unpack[TextParams]
    ) -> Completion: ...
    @overload
    async def create(
        self, *, prompt: Prompt, stream: Literal[True], **params: Unpack[TextParams]
    ) -> AsyncStream[Completion]: ...
    @overload
    async def create(
        self, *, prompt: Prompt, stream: bool | None, **params: Unpack[TextParams]
    ) -> Completion | AsyncStream[Completion]: ...
    async def create(
        self, *, prompt: Prompt, stream: bool | None = None, **params: Unpack[TextParams]
    ) -> Completion | AsyncStream[Completion]:
        """`TextCompletions.create`, for asyncio."""
        call = text_call(self._settings, prompt, stream, params)
        if call.stream:
            return AsyncStream(await self._transport.open(call), read_text_chunk)
        return read_text_completion(await self._transport.send(call))


class AsyncRawTextCompletions:
    """`RawTextCompletions`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @overload
    async def create(
        self, *, prompt: Prompt, stream: Literal[False] | None = None, **params: Unpack[TextParams]
    ) -> RawResponse[Completion]: ...
    @overload
    async def create(
        self, *, prompt: Prompt, stream: Literal[True], **params: Unpack[TextParams]
    ) -> RawResponse[AsyncStream[Completion]]: ...
    @overload
    async def create(
        self, *, prompt: Prompt, stream: bool | None, **params: Unpack[TextParams]
    ) -> RawResponse[Completion] | RawResponse[AsyncStream[Completion]]: ...
    async def create(
        self, *, prompt: Prompt, stream: bool | None = None, **params: Unpack[TextParams]
    ) -> RawResponse[Completion] | RawResponse[AsyncStream[Completion]]:
        """`TextCompletions.create`."""
        call = text_call(self._settings, prompt, stream, params)
        if call.stream:
            response = await self._transport.open(call)
            return RawResponse(response, lambda: AsyncStream(response, read_text_chunk))
        return raw_response(await self._transport.send(call), read_text_completion)
