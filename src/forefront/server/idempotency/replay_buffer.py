"""What an application sends, kept so that any number of connections can be told all of it, each at its own pace."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from starlette.types import Message

from forefront.server.response.sse import DONE

WINDOW = 256 * 2**10
# What a message takes beside its body: it is a dictionary in a queue.
_EACH = 300


class Tape:
    """The messages of one response, in order. While `whole`, all are held, and readers start at the first.

    `hold` is asked for room for so many more bytes. Once it has none, the tape is whole no more: from then on the
    writer waits whenever more than `WINDOW` bytes are held that its foremost reader has yet to send, and what that
    reader has sent is dropped, so that one which lags behind it ends early.
    """

    def __init__(self, hold: Callable[[int], bool]) -> None:
        self.whole = True
        self.done = False
        self.error: Exception | None = None
        self._hold = hold
        self._messages: deque[Message] = deque()
        self._dropped = 0
        self._bytes = 0
        self._read: dict[object, int] = {}  # reader → how many messages it has sent
        self._news = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether anything has been written."""
        return bool(self._messages) or self._dropped > 0

    @property
    def complete(self) -> bool:
        """Whether this is the whole of a success: of status 200, and for a stream of events with its last one."""
        if not (self.done and self.whole and self.error is None and self._messages):
            return False
        start, *bodies = self._messages
        if start["status"] != 200 or not bodies or bodies[-1].get("more_body", False):
            return False
        streamed = any(name == b"content-type" and b"event-stream" in value for name, value in start["headers"])
        return not streamed or any(body.get("body") == DONE for body in bodies[-2:])

    async def write(self, message: Message) -> None:
        """The application's `send`."""
        size = _size(message)
        self._messages.append(message)
        self._bytes += size
        self.whole = self.whole and self._hold(size)
        self._tell()
        while not self.whole and self._bytes > WINDOW:
            news = self._news
            if not self._drop():
                await news.wait()

    def release(self) -> None:
        """There is no more room for it: it is whole no more, and what its foremost reader has sent is dropped."""
        self.whole = False
        while self._bytes > WINDOW and self._drop():
            pass

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes. Readers that have read everything end, by `error` if there is one."""
        self.done, self.error = True, error
        self._tell()

    async def read(self) -> AsyncGenerator[Message, None]:
        """Every message from the first on, then those that come. Asking for the next says that one has been sent."""
        reader = object()
        self._read[reader] = 0
        try:
            while (place := self._read[reader]) >= self._dropped:
                if place < self._dropped + len(self._messages):
                    yield self._messages[place - self._dropped]
                    self._read[reader] += 1
                    self._tell()
                elif not self.done:
                    await self._news.wait()
                elif self.error is not None:
                    raise self.error
                else:
                    return
        finally:
            del self._read[reader]
            self._tell()

    def _drop(self) -> bool:
        """Forget the first message if a reader has sent it; whether one had."""
        if max(self._read.values(), default=0) <= self._dropped:
            return False
        self._bytes -= _size(self._messages.popleft())
        self._dropped += 1
        return True

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _size(message: Message) -> int:
    return len(message.get("body", b"")) + _EACH
