"""`client.responses`."""

from typing import TYPE_CHECKING, Literal, Unpack, overload

from forefront.client.decoding import (
    is_last_event,
    read_deleted_response,
    read_item_list,
    read_response,
    read_response_event,
)
from forefront.client.resources.params import ItemsParams, ResponseInput, ResponseParams
from forefront.client.resources.raw_response import RawResponse, raw_response
from forefront.client.response_calls import (
    cancel_response_call,
    delete_call,
    input_items_call,
    response_call,
    retrieve_call,
)
from forefront.client.settings import ClientSettings
from forefront.client.stream import AsyncStream, Stream
from forefront.wire.responses.events import ResponseStreamEvent
from forefront.wire.responses.item_list import DeletedResponse, ItemList
from forefront.wire.responses.response import Response

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport, Transport


class Responses:
    """The Responses API: responses whole, streamed, stored and in the background."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "RawResponses":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawResponses(self._settings, self._transport)

    @overload
    def create(
        self,
        *,
        input: ResponseInput | None = None,
        stream: Literal[False] | None = None,
        **params: Unpack[ResponseParams],
    ) -> Response: ...
    @overload
    def create(
        self, *, input: ResponseInput | None = None, stream: Literal[True], **params: Unpack[ResponseParams]
    ) -> Stream[ResponseStreamEvent]: ...
    @overload
    def create(
        self, *, input: ResponseInput | None = None, stream: bool | None, **params: Unpack[ResponseParams]
    ) -> Response | Stream[ResponseStreamEvent]: ...
    def create(
        self, *, input: ResponseInput | None = None, stream: bool | None = None, **params: Unpack[ResponseParams]
    ) -> Response | Stream[ResponseStreamEvent]:
        """Request a response to a text or to items.

        With `stream` the result is a stream of typed events, the last of which is `response.completed`,
        `response.incomplete` or `response.failed`; else a response. The other parameters are those of
        `ResponseParams`, which `docs/responses.md` describes.

        Raises `APIError`, and `InvalidArgumentError` for arguments that cannot be sent.
        """
        call = response_call(self._settings, input, stream, params)
        if call.stream:
            return Stream(self._transport.open(call), read_response_event, is_last_event)
        return read_response(self._transport.send(call))

    @overload
    def retrieve(self, response_id: str, *, stream: Literal[False] = False) -> Response: ...
    @overload
    def retrieve(
        self, response_id: str, *, stream: Literal[True], starting_after: int | None = None
    ) -> Stream[ResponseStreamEvent]: ...
    def retrieve(
        self, response_id: str, *, stream: bool = False, starting_after: int | None = None
    ) -> Response | Stream[ResponseStreamEvent]:
        """A stored response; with `stream`, the events of one in the background, after the number `starting_after`.

        Raises `NotFoundError` for a response that is not stored, and where its events are not held any more.
        """
        call = retrieve_call(self._settings, response_id, stream=stream, starting_after=starting_after)
        if stream:
            return Stream(self._transport.open(call), read_response_event, is_last_event)
        return read_response(self._transport.send(call))

    def delete(self, response_id: str) -> DeletedResponse:
        """Delete a stored response; one in the background is cancelled first."""
        return self.with_raw_response.delete(response_id).parse()

    def cancel(self, response_id: str) -> Response:
        """Cancel a response in the background. One that has ended is returned as it is."""
        return self.with_raw_response.cancel(response_id).parse()

    def input_items(self, response_id: str, **query: Unpack[ItemsParams]) -> ItemList:
        """A page of a stored response's input: `limit`, `order`, and items `after` or `before` one."""
        return self.with_raw_response.input_items(response_id, **query).parse()


class RawResponses:
    """The methods of `Responses` without streams, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    def create(self, *, input: ResponseInput | None = None, **params: Unpack[ResponseParams]) -> RawResponse[Response]:
        """`Responses.create`."""
        return raw_response(self._transport.send(response_call(self._settings, input, None, params)), read_response)

    def retrieve(self, response_id: str) -> RawResponse[Response]:
        """`Responses.retrieve`."""
        return raw_response(self._transport.send(retrieve_call(self._settings, response_id)), read_response)

    def delete(self, response_id: str) -> RawResponse[DeletedResponse]:
        """`Responses.delete`."""
        return raw_response(self._transport.send(delete_call(self._settings, response_id)), read_deleted_response)

    def cancel(self, response_id: str) -> RawResponse[Response]:
        """`Responses.cancel`."""
        return raw_response(self._transport.send(cancel_response_call(self._settings, response_id)), read_response)

    def input_items(self, response_id: str, **query: Unpack[ItemsParams]) -> RawResponse[ItemList]:
        """`Responses.input_items`."""
        call = input_items_call(self._settings, response_id, query)
        return raw_response(self._transport.send(call), read_item_list)


class AsyncResponses:
    """`Responses`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "AsyncRawResponses":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawResponses(self._settings, self._transport)

    @overload
    async def create(
        self,
        *,
        input: ResponseInput | None = None,
        stream: Literal[False] | None = None,
        **params: Unpack[ResponseParams],
    ) -> Response: ...
    @overload
    async def create(
        self, *, input: ResponseInput | None = None, stream: Literal[True], **params: Unpack[ResponseParams]
    ) -> AsyncStream[ResponseStreamEvent]: ...
    @overload
    async def create(
        self, *, input: ResponseInput | None = None, stream: bool | None, **params: Unpack[ResponseParams]
    ) -> Response | AsyncStream[ResponseStreamEvent]: ...
    async def create(
        self, *, input: ResponseInput | None = None, stream: bool | None = None, **params: Unpack[ResponseParams]
    ) -> Response | AsyncStream[ResponseStreamEvent]:
        """`Responses.create`."""
        call = response_call(self._settings, input, stream, params)
        if call.stream:
            return AsyncStream(await self._transport.open(call), read_response_event, is_last_event)
        return read_response(await self._transport.send(call))

    @overload
    async def retrieve(self, response_id: str, *, stream: Literal[False] = False) -> Response: ...
    @overload
    async def retrieve(
        self, response_id: str, *, stream: Literal[True], starting_after: int | None = None
    ) -> AsyncStream[ResponseStreamEvent]: ...
    async def retrieve(
        self, response_id: str, *, stream: bool = False, starting_after: int | None = None
    ) -> Response | AsyncStream[ResponseStreamEvent]:
        """`Responses.retrieve`."""
        call = retrieve_call(self._settings, response_id, stream=stream, starting_after=starting_after)
        if stream:
            return AsyncStream(await self._transport.open(call), read_response_event, is_last_event)
        return read_response(await self._transport.send(call))

    async def delete(self, response_id: str) -> DeletedResponse:
        """`Responses.delete`."""
        return (await self.with_raw_response.delete(response_id)).parse()

    async def cancel(self, response_id: str) -> Response:
        """`Responses.cancel`."""
        return (await self.with_raw_response.cancel(response_id)).parse()

    async def input_items(self, response_id: str, **query: Unpack[ItemsParams]) -> ItemList:
        """`Responses.input_items`."""
        return (await self.with_raw_response.input_items(response_id, **query)).parse()


class AsyncRawResponses:
    """`RawResponses`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    async def create(
        self, *, input: ResponseInput | None = None, **params: Unpack[ResponseParams]
    ) -> RawResponse[Response]:
        """`Responses.create`."""
        call = response_call(self._settings, input, None, params)
        return raw_response(await self._transport.send(call), read_response)

    async def retrieve(self, response_id: str) -> RawResponse[Response]:
        """`Responses.retrieve`."""
        return raw_response(await self._transport.send(retrieve_call(self._settings, response_id)), read_response)

    async def delete(self, response_id: str) -> RawResponse[DeletedResponse]:
        """`Responses.delete`."""
        call = delete_call(self._settings, response_id)
        return raw_response(await self._transport.send(call), read_deleted_response)

    async def cancel(self, response_id: str) -> RawResponse[Response]:
        """`Responses.cancel`."""
        call = cancel_response_call(self._settings, response_id)
        return raw_response(await self._transport.send(call), read_response)

    async def input_items(self, response_id: str, **query: Unpack[ItemsParams]) -> RawResponse[ItemList]:
        """`Responses.input_items`."""
        call = input_items_call(self._settings, response_id, query)
        return raw_response(await self._transport.send(call), read_item_list)
