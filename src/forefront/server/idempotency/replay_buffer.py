"""The messages of one response, buffered for any number of connections, each at its own pace."""

import asyncio
import math
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Callable

from starlette.types import Message

from forefront.server.sending.sse import EVENT_NUMBER, STREAM_FAILED

WINDOW = 256 * 2**10
# Bytes of a message beside its body: a dictionary in a queue.
_MESSAGE_OVERHEAD = 300


class ReplayBuffer:
    """The messages of one response, in order. While `whole`, all are held, and readers start at the first.

    `hold` reserves memory for so many more bytes, if there is any. Once there is none, the buffer is not whole any
    more. From then on the writer waits whenever more than `WINDOW` bytes are held that the foremost reader has not
    sent. What that reader has sent is dropped, so slower readers end early. If `lossy`, the writer never waits: what no
    reader has sent is dropped too.
    """

    def __init__(self, hold: Callable[[int], bool], *, lossy: bool = False) -> None:
        self._lossy = lossy
        self.whole = True
        self.done = False
        self.error: Exception | None = None
        self.last_event = -1  # the number of the last event of a stream
        self._hold = hold
        self._messages: deque[Message] = deque()
        self._dropped = 0
        self._bytes = 0
        self._read: dict[object, int] = {}  # reader → how many messages it has sent
        self._change = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether a message has been written."""
        return bool(self._messages) or self._dropped > 0

    @property
    def complete(self) -> bool:
        """Whether this is a whole successful response: status 200, and no stream that ends with an error."""
        if not (self.done and self.whole and self.error is None and self._messages):
            return False
        start, *bodies = self._messages
        if start["status"] != 200 or not bodies or bodies[-1].get("more_body", False):
            return False
        return not bodies[-1].get(STREAM_FAILED, False)

    async def write(self, message: Message) -> None:
        """The application's `send`."""
        size = _size(message)
        self._messages.append(message)
        self.last_event = message.get(EVENT_NUMBER, self.last_event)
        self._bytes += size
        self.whole = self.whole and self._hold(size)
        self._notify()
        while not self.whole and self._bytes > WINDOW:
            change = self._change
            if not self._drop():
                await change.wait()

    def release(self) -> None:
        """Give memory back: drop the data that the foremost reader has sent. The buffer is not whole any more."""
        self.whole = False
        while self._bytes > WINDOW and self._drop():
            pass

    def end(self, error: Exception | None = None) -> None:
        """End the response. Readers that have read everything end, with `error` if there is one."""
        self.done, self.error = True, error
        self._notify()

    async def read(self, after: int = -1) -> AsyncGenerator[Message, None]:
        """Every message from the first on, then new ones; of a stream, the events after that number. Reading the next
        one marks the last as sent."""
        reader = object()
        self._read[reader] = 0
        try:
            while (place := self._read[reader]) >= self._dropped:
                if place < self._dropped + len(self._messages):
                    yield self._messages[place - self._dropped]
                    self._read[reader] = self._first_after(after) if place == 0 and after >= 0 else place + 1
                    self._notify()
                elif not self.done:
                    await self._change.wait()
                elif self.error is not None:
                    raise self.error
                else:
                    return
        finally:
            del self._read[reader]
            self._notify()

    def _first_after(self, number: int) -> int:
        """The place of the first message after the head with events after that number."""
        messages, held = self._messages, range(1, len(self._messages))
        if self._dropped:
            return 1  # this reader was too slow, or is just after the head
        return 1 + bisect_right(held, number, key=lambda place: messages[place].get(EVENT_NUMBER, math.inf))

    def _drop(self) -> bool:
        """Drop the first message if a reader has sent it, or none has to; whether it was dropped."""
        if not self._lossy and max(self._read.values(), default=0) <= self._dropped:
            return False
        self._bytes -= _size(self._messages.popleft())
        self._dropped += 1
        return True

    def _notify(self) -> None:
        self._change.set()
        self._change = asyncio.Event()


def _size(message: Message) -> int:
    return len(message.get("body", b"")) + _MESSAGE_OVERHEAD
