"""Answers that are put together while they come."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, closing
from types import TracebackType
from typing import Any, Self

from forefront.client.accumulate import Accumulator
from forefront.client.decoding import read_chunk
from forefront.client.stream import AsyncIncoming, AsyncStream, Incoming, Stream
from forefront.wire.response import ChatCompletion, ChatCompletionChunk, ResponseMessage


class _Accumulated:
    """What has come so far."""

    def __init__(self) -> None:
        self._accumulator = Accumulator()

    @property
    def completion(self) -> ChatCompletion:
        """What has come so far, as a completion."""
        return self._accumulator.completion()

    @property
    def message(self) -> ResponseMessage:
        """What has come of the first choice so far."""
        return self.completion.message

    def _read(self, body: dict[str, Any]) -> ChatCompletionChunk:
        self._accumulator.add(body)
        return read_chunk(body)


class ChatStream(_Accumulated):
    """A streamed answer: its chunks, its text, and the completion that they make.

    To be read once, as chunks (`for chunk in stream`) or as text (`for piece in stream.text`), within a `with` block,
    at whose end the connection is given back. Raises `APIError`, in whatever item it occurs.
    """

    def __init__(self, incoming: Incoming) -> None:
        super().__init__()
        self._stream = Stream(incoming, self._read)

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
        """The first choice's text, as it comes."""
        with closing(self._stream):
            for chunk in self._stream:
                yield from _texts(chunk)

    def final_completion(self) -> ChatCompletion:
        """Read what is left; the whole completion, with its usage. Raises `APIError`."""
        for _ in self._stream:
            pass  # the accumulator sees each chunk as it is read
        return self.completion

    def close(self) -> None:
        """Stop the answer and let the connection go. The server then stops generating."""
        self._stream.close()


class AsyncChatStream(_Accumulated):
    """`ChatStream`, for asyncio."""

    def __init__(self, incoming: AsyncIncoming) -> None:
        super().__init__()
        self._stream = AsyncStream(incoming, self._read)

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return aiter(self._stream)

    async def __anext__(self) -> ChatCompletionChunk:
        return await anext(self._stream)

    @property
    async def text(self) -> AsyncIterator[str]:
        """The first choice's text, as it comes."""
        async with aclosing(self._stream):
            async for chunk in self._stream:
                for text in _texts(chunk):
                    yield text

    async def final_completion(self) -> ChatCompletion:
        """Read what is left; the whole completion, with its usage. Raises `APIError`."""
        async for _ in self._stream:
            pass
        return self.completion

    async def close(self) -> None:
        """Stop the answer and let the connection go. The server then stops generating."""
        await self._stream.close()


class AsyncChatStreamManager:
    """`async with` opens the stream and closes it."""

    def __init__(self, open_: Callable[[], Awaitable[AsyncIncoming]]) -> None:
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
    for choice in chunk.choices:
        if not choice.index and choice.delta and choice.delta.content:
            yield choice.delta.content
