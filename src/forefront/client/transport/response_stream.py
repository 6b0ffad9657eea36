"""Responses whose bodies are still to come."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Final

import httpx

from forefront.client.transport.read_deadline import Fuse
from forefront.client.transport.response import Reply
from forefront.client.transport.transport_errors import Limits, translated

# After [DONE], the end of the body is awaited so long: a connection that has seen it can be used again.
_END: Final = 0.5


class IncomingStream:
    """A response as it comes."""

    def __init__(self, response: httpx.Response, limits: Limits, retries: int) -> None:
        self._response = response
        self._limits = limits
        self._fuse = Fuse(response)
        self.retries = retries
        self.status: int = response.status_code
        self.headers = response.headers
        self.request_id: str | None = response.headers.get("x-request-id")

    def pieces(self) -> Generator[bytes, None, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        if (left := self._limits.left()) is not None:
            self._fuse.set(left)
        with translated(self._limits, self.request_id):
            for piece in self._response.iter_bytes():
                yield piece
                if self._limits.over():
                    raise self._limits.exceeded()

    def read(self) -> Reply:
        """The whole answer. Raises `APIConnectionError`."""
        with contextlib.closing(self):
            body = b"".join(self.pieces())
            return Reply(self._limits.base_url, self.status, self.headers, body, self.retries)

    def hurry(self) -> None:
        """All has been said: break the connection if its end does not come soon."""
        self._fuse.set(_END)

    def close(self) -> None:
        """Let the connection go; harmless when repeated."""
        self._fuse.cancel()
        self._response.close()

    def __del__(self) -> None:
        if not self._response.is_closed:
            self.close()


class AsyncIncomingStream:
    """`IncomingStream`, for asyncio."""

    def __init__(self, response: httpx.Response, limits: Limits, retries: int) -> None:
        self._response = response
        self._limits = limits
        self._hurried = False
        self._loop = asyncio.get_running_loop()
        self.retries = retries
        self.status: int = response.status_code
        self.headers = response.headers
        self.request_id: str | None = response.headers.get("x-request-id")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        with translated(self._limits, self.request_id):
            async with contextlib.aclosing(self._response.aiter_bytes()) as pieces:  # type: ignore[type-var]
                while (piece := await self._next(pieces)) is not None:
                    yield piece

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        if self._hurried:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END):
                    return await anext(pieces, None)
            return None
        if (left := self._limits.left()) is None:
            return await anext(pieces, None)
        async with asyncio.timeout(left):
            return await anext(pieces, None)

    async def read(self) -> Reply:
        """The whole answer. Raises `APIConnectionError`."""
        try:
            body = b"".join([piece async for piece in self.pieces()])
        finally:
            await self.close()
        return Reply(self._limits.base_url, self.status, self.headers, body, self.retries)

    def hurry(self) -> None:
        """All has been said: give up on the body's end if it does not come soon."""
        self._hurried = True

    async def close(self) -> None:
        """Let the connection go; harmless when repeated."""
        await self._response.aclose()

    def __del__(self) -> None:
        # A body that is being read is closed by the loop, together with the generator that reads it.
        if not (self._response.is_closed or self._loop.is_closed()):
            self._loop.call_soon_threadsafe(_close_soon, self._loop, self._response)


def _close_soon(loop: asyncio.AbstractEventLoop, response: httpx.Response) -> None:
    closing = loop.create_task(response.aclose())
    closing.add_done_callback(lambda task: task.cancelled() or task.exception())
