"""Events in batches, and keep-alive comments on idle streams, because proxies close idle connections."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# Events that are read ahead of a slow client. Then their source waits.
_READ_AHEAD: Final = 16


async def with_keepalive(events: AsyncGenerator[T, None], seconds: float) -> AsyncGenerator[list[T], None]:
    """The same events, as lists of those that have arrived; an empty list whenever none has come for `seconds`. Closes
    `events` when it is closed."""
    loop = asyncio.get_running_loop()
    reader = _EventReader(events)
    try:
        while True:
            if reader.ready:
                yield reader.take()
                continue
            if reader.task.done():
                reader.task.result()
                return
            arrival = reader.arrival = loop.create_future()
            timer = loop.call_later(seconds, _resolve, arrival, False)
            try:
                arrived = await arrival
            finally:
                timer.cancel()
                reader.arrival = None
            if not arrived:
                yield []
    finally:
        await reader.close()


class _EventReader(Generic[T]):
    """Reads events in a task. One task for a stream costs less than a wait with a timeout for each event."""

    def __init__(self, events: AsyncGenerator[T, None]) -> None:
        self.ready: list[T] = []
        self.arrival: asyncio.Future[bool] | None = None
        self._room: asyncio.Future[bool] | None = None
        self.task = asyncio.ensure_future(self._run(events))

    def take(self) -> list[T]:
        """The events that are ready, in order."""
        events, self.ready = self.ready, []
        _resolve(self._room)
        return events

    async def close(self) -> None:
        """Return once the events are closed, also when this call is cancelled: the task is cancelled then, too."""
        self.task.cancel()
        with suppress(asyncio.CancelledError, Exception):  # the stream is over: an error has no receiver
            await self.task

    async def _run(self, events: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self.ready.append(event)
                    if self.arrival is not None:
                        _resolve(self.arrival)
                    if len(self.ready) >= _READ_AHEAD:
                        self._room = asyncio.get_running_loop().create_future()
                        await self._room
        finally:
            _resolve(self.arrival)


def _resolve(future: asyncio.Future[bool] | None, value: bool = True) -> None:
    if future is not None and not future.done():
        future.set_result(value)
