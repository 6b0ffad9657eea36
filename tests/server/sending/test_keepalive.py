"""Pauses yield None, events are read ahead, and the reading task ends with the stream."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from forefront.server.sending.keepalive import with_keepalive
from forefront.wire.errors import RequestError


async def test_a_pause_is_reported_and_no_event_is_lost() -> None:
    go = asyncio.Event()

    async def events() -> AsyncGenerator[int, None]:
        yield 1
        await go.wait()
        yield 2

    seen: list[list[int]] = []
    async with aclosing(with_keepalive(events(), 0.01)) as paced:
        async for batch in paced:
            seen.append(batch)
            if [1] in seen and seen[-2:] == [[], []]:
                go.set()
    batches = seen[seen.index([1]) :]
    assert batches[1:3] == [[], []]
    assert [batch for batch in seen if batch] == [[1], [2]]


async def test_a_disconnect_during_a_pause_closes_the_events() -> None:
    closed = asyncio.Event()

    async def events() -> AsyncGenerator[int, None]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed.set()

    async with aclosing(with_keepalive(events(), 0.01)) as paced:
        assert await anext(paced) == []
    assert closed.is_set()


async def test_an_error_comes_through() -> None:
    async def events() -> AsyncGenerator[int, None]:
        yield 1
        raise RequestError("engine_failed", "x")

    paced = with_keepalive(events(), 1)
    assert await anext(paced) == [1]
    with pytest.raises(RequestError):
        await anext(paced)


async def test_a_slow_client_applies_back_pressure() -> None:
    made = 0

    async def events() -> AsyncGenerator[int, None]:
        nonlocal made
        for made in range(1, 101):
            yield made

    seen: list[int] = []
    async with aclosing(with_keepalive(events(), 1)) as paced:
        async for batch in paced:
            seen += batch
            await asyncio.sleep(0)
            assert made - len(seen) <= 17
    assert seen == list(range(1, 101))


async def test_output_before_an_error_comes_first() -> None:
    async def events() -> AsyncGenerator[int, None]:
        for number in range(5):
            yield number
        raise RequestError("engine_failed", "x")

    seen: list[int] = []
    with pytest.raises(RequestError):
        async for batch in with_keepalive(events(), 1):
            seen += batch
            await asyncio.sleep(0.001)
    assert seen == [0, 1, 2, 3, 4]


async def test_the_source_waits_for_a_slow_reader() -> None:
    made = 0

    async def events() -> AsyncGenerator[int, None]:
        nonlocal made
        while True:
            made += 1
            yield made

    async with aclosing(with_keepalive(events(), 10)) as paced:
        taken = 0
        while taken < 50:
            taken += len(await anext(paced))
            await asyncio.sleep(0)
            assert made <= taken + 20


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
        async with aclosing(with_keepalive(events(), 10)) as paced:
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
