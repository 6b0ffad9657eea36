"""Threads for calls of the store: kept for the next call, and never waited for."""

import asyncio
import threading

import pytest

from forefront.gateway.store.store_threads import StoreThreads


def test_a_call_reuses_an_idle_thread() -> None:
    async def run() -> set[int]:
        threads = StoreThreads()
        return {await threads.run(threading.get_ident) for _ in range(20)}

    assert len(asyncio.run(run())) == 1


def test_hanging_calls_delay_no_others() -> None:
    async def run() -> None:
        threads, released = StoreThreads(), threading.Event()
        hanging = [asyncio.create_task(threads.run(released.wait)) for _ in range(30)]
        assert await asyncio.wait_for(threads.run(lambda: "answer"), 30) == "answer"
        released.set()
        assert await asyncio.gather(*hanging) == [True] * 30

    asyncio.run(run())


def test_an_idle_thread_ends_and_another_takes_later_calls() -> None:
    async def run() -> None:
        threads = StoreThreads(idle_seconds=0.0)
        for number in range(200):
            used = await threads.run(threading.current_thread)
            if number % 2:
                await asyncio.to_thread(used.join, 30)
                assert not used.is_alive()

    asyncio.run(run())


def test_an_error_reaches_the_caller_and_the_thread_goes_on() -> None:
    async def run() -> None:
        threads = StoreThreads()
        for number in range(3):
            try:
                await threads.run(lambda: [].pop())
            except IndexError:
                continue
            raise AssertionError(number)
        assert await threads.run(lambda: 5) == 5

    asyncio.run(run())


def test_a_call_does_not_wait_until_its_thread_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop starts it, and has other work meanwhile."""

    async def run() -> None:
        threads, begun = StoreThreads(), asyncio.Event()
        await threads.run(lambda: None)
        loop, start = asyncio.get_running_loop(), threading.Thread.start

        def start_late(thread: threading.Thread) -> None:
            asyncio.run_coroutine_threadsafe(begun.wait(), loop).result(30)
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_late)
        released = threading.Event()
        calls = [asyncio.create_task(threads.run(released.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        begun.set()
        released.set()
        assert await asyncio.gather(*calls) == [True, True]

    asyncio.run(run())


def test_a_thread_that_cannot_start_fails_its_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name == "forefront-store":
            raise RuntimeError("can't start new thread")
        start(thread)

    async def run() -> None:
        threads = StoreThreads()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            with pytest.raises(RuntimeError, match="new thread"):
                await asyncio.wait_for(threads.run(lambda: 1), 30)
        assert await asyncio.wait_for(threads.run(lambda: 2), 30) == 2

    asyncio.run(run())
