"""Events are taken ahead, and whoever takes them is over when the stream is."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from forefront.server.pauses import with_pauses


async def test_what_came_before_an_error_is_told_before_it() -> None:
    async def events() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise ValueError

    heard: list[int | None] = []
    async with aclosing(with_pauses(events(), 10)) as paced:
        with pytest.raises(ValueError):
            async for event in paced:
                heard.append(event)
                await asyncio.sleep(0.01)
    assert heard == [1, 2]


async def test_the_source_waits_for_a_slow_reader() -> None:
    made = 0

    async def events() -> AsyncGenerator[int, None]:
        nonlocal made
        while True:
            made += 1
            yield made

    async with aclosing(with_pauses(events(), 10)) as paced:
        for wanted in range(1, 50):
            assert await anext(paced) == wanted
            await asyncio.sleep(0)
            assert made <= wanted + 20


async def test_events_are_closed_when_their_reader_is_cancelled_twice() -> None:
    """At the end of a server, one whose client has just left. The ledger's row is written after this."""
    closed = False

    async def events() -> AsyncGenerator[int, None]:
        nonlocal closed
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            try:
                await asyncio.sleep(0.05)
            finally:
                await asyncio.sleep(0)
                closed = True
            raise ValueError

    async def read() -> None:
        async with aclosing(with_pauses(events(), 10)) as paced:
            async for _ in paced:
                pass

    unheard: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: unheard.append(context))
    try:
        reading = asyncio.create_task(read())
        for _ in range(2):
            await asyncio.sleep(0.01)
            reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        assert closed
        gc.collect()
        await asyncio.sleep(0.1)
    finally:
        loop.set_exception_handler(None)
    assert not unheard
