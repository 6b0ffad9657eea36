"""Streams that accumulate a completion."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, closing
from types import TracebackType
from typing import Any, Self

from forefront.client.accumulate import Accumulator
from forefront.client.decoding import read_chunk
from forefront.client.stream import AsyncByteStream, AsyncStream, ByteStream, Stream
from forefront.wire.completions.response import ChatCompletion, ChatCompletionChunk, ResponseMessage


class _Accumulating:
    """The completion so far."""

    def __init__(self) -> None:
        self._accumulator = Accumulator()

    @property
    def completion(self) -> ChatCompletion:
        """The completion so far."""
        return self._accumulator.completion()

    @property
    def message(self) -> ResponseMessage:
        """The message of the first choice so far."""
        return self.completion.message

    def _read(self, body: dict[str, Any]) -> ChatCompletionChunk:
        self._accumulator.add(body)
        return read_chunk(body)


class ChatStream(_Accumulating):
    """A streamed completion: its chunks, its text, and the completion that they add up to.

    Read it once, as chunks (`for chunk in stream`) or as text (`for piece in stream.text`), in a `with` block, whose
    end releases the connection. Raises `APIError` in place of the item where the error occurs.
    """

    def __init__(self, response: ByteStream) -> None:
        super().__init__()
        self._stream = Stream(response, self._read)

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return iter(self._stream)

    def __next__(self) -> ChatCompletionChunk:
        return next(self._stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def text(self) -> Iterator[str]:
        """The first choice's text as it arrives."""
        with closing(self._stream):
            for chunk in self._stream:
                yield from _texts(chunk)

    def final_completion(self) -> ChatCompletion:
        """Read the rest and return the whole completion, with its usage. Raises `APIError`."""
        for _ in self._stream:
            pass  # the accumulator sees each chunk as it is read
        return self.completion

    def close(self) -> None:
        """Stop the response and release the connection. The server then stops generating."""
        self._stream.close()


class AsyncChatStream(_Accumulating):
    """`ChatStream`, for asyncio."""

    def __init__(self, response: AsyncByteStream) -> None:
        super().__init__()
        self._stream = AsyncStream(response, self._read)

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return aiter(self._stream)

    async def __anext__(self) -> ChatCompletionChunk:
        return await anext(self._stream)

    @property
    async def text(self) -> AsyncIterator[str]:
        """The first choice's text as it arrives."""
        async with aclosing(self._stream):
            async for chunk in self._stream:
                for text in _texts(chunk):
                    yield text

    async def final_completion(self) -> ChatCompletion:
        """Read the rest and return the whole completion, with its usage. Raises `APIError`."""
        async for _ in self._stream:
            pass
        return self.completion

    async def close(self) -> None:
        """Stop the response and release the connection. The server then stops generating."""
        await self._stream.close()


class AsyncChatStreamManager:
    """Opens the stream at the start of an `async with` block and closes it at the end."""

    def __init__(self, open_: Callable[[], Awaitable[AsyncByteStream]]) -> None:
        self._open = open_
        self._stream: AsyncChatStream | None = None

    async def __aenter__(self) -> AsyncChatStream:
        self._stream = AsyncChatStream(await self._open())
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.close()


def _texts(chunk: ChatCompletionChunk) -> Iterator[str]:
    # Decoding is lenient: any part may be missing, or have another type.
    for choice in chunk.choices if isinstance(chunk.choices, list) else ():
        content = getattr(getattr(choice, "delta", None), "content", None)
        if isinstance(content, str) and content and not getattr(choice, "index", 0):
            yield content
