"""Responses whose bodies are still to come."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from typing import Final

import httpx

from forefront.client.exceptions import APIConnectionError, APIStatusError
from forefront.client.transport.read_deadline import ReadDeadline
from forefront.client.transport.response import HTTPResponse
from forefront.client.transport.retry import is_retryable
from forefront.client.transport.transport_errors import AttemptLimits, translate_errors

# Wait for the end of the body after [DONE], in seconds: a connection that has seen it can be reused.
_END_TIMEOUT: Final = 0.5


class ResponseStream:
    """A response with a body to read. `reopen` makes a response that goes on after the event of an id, `resumptions`
    times at most."""

    def __init__(self, response: httpx.Response, limits: AttemptLimits, retries: int) -> None:
        self.reopen: Callable[[str, float | None], ResponseStream] | None = None
        self.resumptions = 0
        self._closed = False
        self._response = response
        self._limits = limits
        self._deadline = ReadDeadline(response)
        self.retries = retries
        self.status: int = response.status_code
        self.headers = response.headers
        self.request_id: str | None = response.headers.get("x-request-id")

    def iter_bytes(self) -> Generator[bytes, None, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        if (left := self._limits.seconds_left()) is not None:
            self._deadline.set(left)
        with translate_errors(self._limits, self.request_id):
            for data in self._response.iter_bytes():
                yield data
                if self._limits.is_over():
                    raise self._limits.total_exceeded()

    def resume(self, last_id: str | None, error: APIConnectionError) -> None:
        """See `ByteStream.resume`."""
        if (
            self._is_closed()
            or self.reopen is None
            or last_id is None
            or not (self.resumptions and is_retryable(error))
        ):
            raise error
        self.resumptions -= 1
        self._release()
        try:
            other = self.reopen(last_id, self._limits.end)
        except APIStatusError:  # the server does not hold the stream any more
            raise error from None
        self._response, other._response = other._response, self._response
        self._limits, self._deadline = other._limits, other._deadline
        if self._is_closed():  # closed meanwhile by another thread
            self._release()
            raise error

    def read(self) -> HTTPResponse:
        """The whole response. Raises `APIConnectionError`."""
        with contextlib.closing(self):
            body = b"".join(self.iter_bytes())
            return HTTPResponse(self._limits.base_url, self.status, self.headers, body, self.retries)

    def expect_end(self) -> None:
        """The stream is complete: shut the connection down unless the body ends soon."""
        self._deadline.set(_END_TIMEOUT)

    def abort(self) -> None:
        """End a read that blocks another thread."""
        self._closed = True
        self._deadline.expire_now()

    def close(self) -> None:
        """Release the connection. Further calls have no effect."""
        self._closed = True
        self._release()

    def _is_closed(self) -> bool:
        return self._closed

    def _release(self) -> None:
        self._deadline.cancel()
        with translate_errors(self._limits, self.request_id):
            self._response.close()

    def __del__(self) -> None:
        if not self._response.is_closed:
            self.close()


class AsyncResponseStream:
    """`ResponseStream`, for asyncio."""

    def __init__(self, response: httpx.Response, limits: AttemptLimits, retries: int) -> None:
        self.reopen: Callable[[str, float | None], Awaitable[AsyncResponseStream]] | None = None
        self.resumptions = 0
        self._closed = False
        self._response = response
        self._limits = limits
        self._at_end = False
        self._loop = asyncio.get_running_loop()
        self.retries = retries
        self.status: int = response.status_code
        self.headers = response.headers
        self.request_id: str | None = response.headers.get("x-request-id")

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        with translate_errors(self._limits, self.request_id):
            async with contextlib.aclosing(self._response.aiter_bytes()) as body:  # type: ignore[type-var]
                while (data := await self._next(body)) is not None:
                    yield data

    async def _next(self, body: AsyncIterator[bytes]) -> bytes | None:
        if self._at_end:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_TIMEOUT):
                    return await anext(body, None)
            return None
        if (left := self._limits.seconds_left()) is None:
            return await anext(body, None)
        async with asyncio.timeout(left):
            return await anext(body, None)

    async def resume(self, last_id: str | None, error: APIConnectionError) -> None:
        """See `AsyncByteStream.resume`."""
        if (
            self._is_closed()
            or self.reopen is None
            or last_id is None
            or not (self.resumptions and is_retryable(error))
        ):
            raise error
        self.resumptions -= 1
        await self._release()
        try:
            other = await self.reopen(last_id, self._limits.end)
        except APIStatusError:  # the server does not hold the stream any more
            raise error from None
        self._response, other._response = other._response, self._response
        self._limits = other._limits
        if self._is_closed():  # closed meanwhile by another task
            await self._release()
            raise error

    async def read(self) -> HTTPResponse:
        """The whole response. Raises `APIConnectionError`."""
        try:
            body = b"".join([data async for data in self.iter_bytes()])
        finally:
            await self.close()
        return HTTPResponse(self._limits.base_url, self.status, self.headers, body, self.retries)

    def expect_end(self) -> None:
        """The stream is complete: do not wait long for the body's end."""
        self._at_end = True

    async def close(self) -> None:
        """Release the connection. Further calls have no effect."""
        self._closed = True
        await self._release()

    def _is_closed(self) -> bool:
        return self._closed

    async def _release(self) -> None:
        if self._loop.is_closed():
            return  # so are its connections
        with translate_errors(self._limits, self.request_id):
            await self._response.aclose()

    def __del__(self) -> None:
        # A body in the middle of a read is closed by the loop, with the generator that reads it.
        if not (self._response.is_closed or self._loop.is_closed()):
            self._loop.call_soon_threadsafe(_close_soon, self._loop, self._response)


def _close_soon(loop: asyncio.AbstractEventLoop, response: httpx.Response) -> None:
    closing = loop.create_task(response.aclose())
    closing.add_done_callback(lambda task: task.cancelled() or task.exception())
