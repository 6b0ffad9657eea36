"""Events, and word of it when none comes for a while."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def with_pauses(events: AsyncGenerator[T, None], seconds: float) -> AsyncGenerator[T | None, None]:
    """The same events, and None each time that nothing has come for `seconds`. Closes `events` when it is closed."""
    try:
        while True:
            coming = asyncio.ensure_future(_next(events))
            try:
                while not (await asyncio.wait({coming}, timeout=seconds))[0]:
                    yield None
            finally:
                # Only one that is left early is still to come; it must be over before the events can be closed.
                if not coming.done():
                    coming.cancel()
                    with suppress(asyncio.CancelledError):
                        await coming
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            yield event
    finally:
        await events.aclose()


async def _next(events: AsyncGenerator[T, None]) -> T:
    return await anext(events)
