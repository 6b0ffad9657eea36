"""Streamed responses."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing, suppress
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import msgspec

from forefront.client.error_parsing import stream_error
from forefront.client.exceptions import APIConnectionError, APIError, ForefrontError
from forefront.client.sse import EventTooLongError, SSEDecoder

T = TypeVar("T")

_DONE: Final = "[DONE]"


class ByteStream(Protocol):
    """A response whose body is still to come. `request_id` is the server's ID of the request."""

    @property
    def request_id(self) -> str | None: ...
    def iter_bytes(self) -> Generator[bytes, None, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        ...

    def resume(self, last_id: str | None, error: APIConnectionError) -> None:
        """After `error`, get a new body that continues after the event `last_id`. Raises `error` if there is none."""
        ...

    def expect_end(self) -> None:
        """The stream is complete: do not wait long for the body's end."""
        ...

    def abort(self) -> None:
        """End a read that blocks another thread."""
        ...

    def close(self) -> None:
        """Release the connection. Further calls have no effect."""
        ...


class AsyncByteStream(Protocol):
    """`ByteStream`, for asyncio."""

    @property
    def request_id(self) -> str | None: ...
    def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        ...

    async def resume(self, last_id: str | None, error: APIConnectionError) -> None:
        """After `error`, get a new body that continues after the event `last_id`. Raises `error` if there is none."""
        ...

    def expect_end(self) -> None:
        """The stream is complete: do not wait long for the body's end."""
        ...

    async def close(self) -> None:
        """Release the connection. Further calls have no effect."""
        ...


class EventReader(Generic[T]):
    """Decodes the bytes of a stream into items, without I/O. `done` after the `[DONE]` event, or after the item for
    which `is_last` holds."""

    def __init__(
        self, read: Callable[[dict[str, Any]], T], request_id: str | None, is_last: Callable[[T], bool] | None = None
    ) -> None:
        self.done = False
        self._read = read
        self._is_last = is_last
        self._request_id = request_id
        self._decoder = SSEDecoder()

    def feed(self, data: bytes) -> Iterator[T]:
        """The items that `data` completes. Raises `APIError` for an error event, and for anything but JSON objects."""
        try:
            for event in self._decoder.feed(data):
                if event.strip() == _DONE:
                    self.done = True
                    return
                item = self._item(event)
                self.done = self._is_last is not None and self._is_last(item)
                yield item
                if self.done:
                    return
        except EventTooLongError:
            raise APIError("The stream has an event of excessive length.", request_id=self._request_id) from None

    def restart(self) -> str | None:
        """Another body follows, after the event with this id."""
        last_id = self._decoder.last_id
        self._decoder = SSEDecoder()
        self._decoder.last_id = last_id
        return last_id

    def end(self) -> None:
        """The body has ended. Raises `APIConnectionError` when the stream is not complete."""
        if not self.done:
            raise APIConnectionError(
                "The connection ended before the response was complete.", request_id=self._request_id
            )

    def _item(self, event: str) -> T:
        try:
            body = msgspec.json.decode(event)
            if isinstance(body, dict):
                if error := body if body.get("type") == "error" and "message" in body else body.get("error"):
                    raise stream_error(error, self._request_id)
                return self._read(body)
        except (msgspec.DecodeError, RecursionError):
            pass
        raise APIError("The stream has an event that is not a JSON object.", request_id=self._request_id)


class Stream(Generic[T]):
    """The chunks of a response as they arrive: an iterator and a context manager.

    The connection is released at the end of the stream, at an error, when a `for` loop over it is left, at the end of
    the `with` block, by `close()` from any thread, and when the stream is garbage collected. Raises `APIError` in
    place of the item where the error occurs.
    """

    def __init__(
        self, response: ByteStream, read: Callable[[dict[str, Any]], T], is_last: Callable[[T], bool] | None = None
    ) -> None:
        self._response = response
        self._items = _items(response, EventReader(read, response.request_id, is_last))
        self._closed = False

    def __next__(self) -> T:
        try:
            return next(self._items)
        except (APIError, ValueError) as error:
            if self._reads_elsewhere(error):
                raise ForefrontError("Another thread is reading this stream.") from None
            if self._closed:
                raise StopIteration from None
            raise

    def __iter__(self) -> Iterator[T]:
        # A separate generator: leaving a loop closes it at once, even if the stream has other references.
        with closing(self):
            try:
                yield from self._items
            except (APIError, ValueError) as error:
                if self._reads_elsewhere(error):
                    raise ForefrontError("Another thread is reading this stream.") from None
                if not self._closed:
                    raise

    def _reads_elsewhere(self, error: Exception) -> bool:
        """Whether `error` is the interpreter's refusal to run a generator in two threads."""
        return isinstance(error, ValueError) and str(error) == "generator already executing"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the response and release the connection. The server then stops generating."""
        self._closed = True
        try:
            self._items.close()
        except ValueError:  # another thread reads
            self._response.abort()  # its reader closes it
            return
        self._response.close()  # a generator that has not begun runs no `finally`


class AsyncStream(Generic[T]):
    """`Stream`, for asyncio."""

    def __init__(
        self,
        response: AsyncByteStream,
        read: Callable[[dict[str, Any]], T],
        is_last: Callable[[T], bool] | None = None,
    ) -> None:
        self._response = response
        self._items = _async_items(response, EventReader(read, response.request_id, is_last))
        self._reading = False
        self._closed = False

    async def __anext__(self) -> T:
        if self._reading:
            raise ForefrontError("Another task is reading this stream.")
        self._reading = True
        try:
            return await anext(self._items)
        except APIError:
            if self._closed:
                raise StopAsyncIteration from None
            raise
        finally:
            self._reading = False

    async def __aiter__(self) -> AsyncIterator[T]:
        async with aclosing(self):
            while True:
                try:
                    item = await anext(self)
                except StopAsyncIteration:
                    return
                yield item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the response and release the connection. The server then stops generating."""
        self._closed = True
        if not self._reading:
            await self._items.aclose()
        await self._response.close()

    aclose = close  # the name that `contextlib.aclosing` needs


def _items(response: ByteStream, reader: EventReader[T]) -> Generator[T, None, None]:
    with closing(response):
        while not reader.done:
            try:
                yield from _body_items(response, reader)
                reader.end()
            except APIConnectionError as error:
                response.resume(reader.restart(), error)


def _body_items(response: ByteStream, reader: EventReader[T]) -> Generator[T, None, None]:
    """The items of one body."""
    with closing(response.iter_bytes()) as body:
        for data in body:
            yield from reader.feed(data)
            if reader.done:
                # The end of the body follows [DONE]; a connection that has seen it can be reused.
                response.expect_end()
                with suppress(APIError):
                    next(body, None)
                return


async def _async_items(response: AsyncByteStream, reader: EventReader[T]) -> AsyncGenerator[T, None]:
    try:
        while not reader.done:
            try:
                async with aclosing(_async_body_items(response, reader)) as items:
                    async for item in items:
                        yield item
                reader.end()
            except APIConnectionError as error:
                await response.resume(reader.restart(), error)
    finally:
        await response.close()


async def _async_body_items(response: AsyncByteStream, reader: EventReader[T]) -> AsyncGenerator[T, None]:
    async with aclosing(response.iter_bytes()) as body:
        async for data in body:
            for item in reader.feed(data):
                yield item
            if reader.done:
                response.expect_end()
                with suppress(APIError):
                    await anext(body, None)
                return
