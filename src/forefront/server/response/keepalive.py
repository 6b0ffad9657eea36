"""Events, and word of it when none comes for a while."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# Events that may wait for a client that takes them slowly; then their source waits too.
_AHEAD: Final = 16


async def with_pauses(events: AsyncGenerator[T, None], seconds: float) -> AsyncGenerator[T | None, None]:
    """The same events, and None each time that nothing has come for `seconds`. Closes `events` when it is closed."""
    loop = asyncio.get_running_loop()
    ahead = _Ahead(events)
    try:
        while True:
            while ahead.ready:
                yield ahead.take()
            if ahead.task.done():
                ahead.task.result()
                return
            news = ahead.news = loop.create_future()
            timer = loop.call_later(seconds, _tell, news, False)
            try:
                came = await news
            finally:
                timer.cancel()
            if not came:
                yield None
    finally:
        await ahead.close()


class _Ahead(Generic[T]):
    """Takes events in a task of its own: one task for a stream, where waiting for each with a limit of time would need
    one for each."""

    def __init__(self, events: AsyncGenerator[T, None]) -> None:
        self.ready: deque[T] = deque()
        self.news: asyncio.Future[bool] | None = None
        self._room: asyncio.Future[bool] | None = None
        self.task = asyncio.ensure_future(self._run(events))

    def take(self) -> T:
        """The first that is ready."""
        event = self.ready.popleft()
        _tell(self._room)
        return event

    async def close(self) -> None:
        """Return once the events have been closed, also when that is cancelled in turn: it goes on to the task then."""
        self.task.cancel()
        with suppress(asyncio.CancelledError, Exception):  # nobody is left to be told
            await self.task

    async def _run(self, events: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self.ready.append(event)
                    _tell(self.news)
                    if len(self.ready) >= _AHEAD:
                        self._room = asyncio.get_running_loop().create_future()
                        await self._room
        finally:
            _tell(self.news)


def _tell(future: asyncio.Future[bool] | None, value: bool = True) -> None:
    if future is not None and not future.done():
        future.set_result(value)
