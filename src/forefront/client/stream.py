"""Answers that come piece by piece."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing, suppress
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import msgspec

from forefront.client.error_parsing import stream_failure
from forefront.client.exceptions import APIConnectionError, APIError
from forefront.client.sse import EventTooLong, SSEDecoder

T = TypeVar("T")

_DONE: Final = "[DONE]"


class Incoming(Protocol):
    """A response whose body is still to come. `request_id` is the server's name for the request."""

    @property
    def request_id(self) -> str | None: ...
    def pieces(self) -> Generator[bytes, None, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        ...

    def hurry(self) -> None:
        """All has been said: do not wait long for the body's end."""
        ...

    def close(self) -> None:
        """Let the connection go; harmless when repeated."""
        ...


class AsyncIncoming(Protocol):
    """`Incoming`, for asyncio."""

    @property
    def request_id(self) -> str | None: ...
    def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        ...

    def hurry(self) -> None:
        """All has been said: do not wait long for the body's end."""
        ...

    async def close(self) -> None:
        """Let the connection go; harmless when repeated."""
        ...


class EventReader(Generic[T]):
    """From the bytes of a stream to its items, without I/O. `done` once the stream has said that it is complete."""

    def __init__(self, read: Callable[[dict[str, Any]], T], request_id: str | None) -> None:
        self.done = False
        self._read = read
        self._request_id = request_id
        self._decoder = SSEDecoder()

    def feed(self, piece: bytes) -> Iterator[T]:
        """The items that `piece` completes. Raises `APIError` when the server reports one, or sends no JSON."""
        try:
            for data in self._decoder.feed(piece):
                if data.strip() == _DONE:
                    self.done = True
                    return
                yield self._item(data)
        except EventTooLong:
            raise APIError("The stream holds an event of excessive length.", request_id=self._request_id) from None

    def end(self) -> None:
        """Say that there are no more bytes. Raises `APIConnectionError` if there should have been."""
        if not self.done:
            raise APIConnectionError(
                "The connection ended before the answer was complete.", request_id=self._request_id
            )

    def _item(self, data: str) -> T:
        try:
            body = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise APIError("The stream holds an event that is not a JSON object.", request_id=self._request_id)
        if error := body.get("error"):
            raise stream_failure(error, self._request_id)
        return self._read(body)


class Stream(Generic[T]):
    """An answer's chunks as they come: an iterator and a context manager.

    The connection is given back at the end of the stream, at an error, when a `for` loop over it is left, at the end
    of the `with` block, by `close()`, and when nobody holds the stream any more. Raises `APIError`, in whatever item it
    occurs.
    """

    def __init__(self, incoming: Incoming, read: Callable[[dict[str, Any]], T]) -> None:
        self._incoming = incoming
        self._items = _items(incoming, EventReader(read, incoming.request_id))

    def __next__(self) -> T:
        return next(self._items)

    def __iter__(self) -> Iterator[T]:
        # A generator of its own, because leaving a loop ends that at once, whoever still holds the stream.
        with closing(self):
            yield from self._items

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the answer and let the connection go. The server then stops generating."""
        self._items.close()
        self._incoming.close()  # a generator that has not begun runs no `finally`


class AsyncStream(Generic[T]):
    """`Stream`, for asyncio."""

    def __init__(self, incoming: AsyncIncoming, read: Callable[[dict[str, Any]], T]) -> None:
        self._incoming = incoming
        self._items = _async_items(incoming, EventReader(read, incoming.request_id))

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def __aiter__(self) -> AsyncIterator[T]:
        async with aclosing(self):
            async for item in self._items:
                yield item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the answer and let the connection go. The server then stops generating."""
        await self._items.aclose()
        await self._incoming.close()

    aclose = close  # the name that `contextlib.aclosing` asks for


def _items(incoming: Incoming, reader: EventReader[T]) -> Generator[T, None, None]:
    with closing(incoming), closing(incoming.pieces()) as pieces:
        for piece in pieces:
            yield from reader.feed(piece)
            if reader.done:
                # The end of the body follows [DONE]; a connection that has seen it can be used again.
                incoming.hurry()
                with suppress(APIError):
                    next(pieces, None)
                return
        reader.end()


async def _async_items(incoming: AsyncIncoming, reader: EventReader[T]) -> AsyncGenerator[T, None]:
    try:
        async with aclosing(incoming.pieces()) as pieces:
            async for piece in pieces:
                for item in reader.feed(piece):
                    yield item
                if reader.done:
                    incoming.hurry()
                    with suppress(APIError):
                        await anext(pieces, None)
                    return
            reader.end()
    finally:
        await incoming.close()
