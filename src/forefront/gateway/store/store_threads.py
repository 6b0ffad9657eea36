"""Runs blocking calls of the store outside the event loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

T = TypeVar("T")

# Seconds that a thread waits for its next call before it ends.
_IDLE: Final = 10.0


class StoreThreads:
    """Daemon threads for blocking calls, one per running call. An idle thread takes the next call, because the start of
    a thread takes long.

    asyncio's default executor is unsuitable: its threads are few and shared, and the process waits for them at exit. A
    store that hangs would occupy all of them.
    """

    def __init__(self, idle_seconds: float = _IDLE) -> None:
        self._idle_seconds = idle_seconds
        self._idle: deque[SimpleQueue[Callable[[], None]]] = deque()  # the queues of idle threads
        # `Thread.start` waits until the thread has begun, on a loaded machine for tenths of a second.
        self._starter = ThreadPoolExecutor(1, "forefront-store-start")

    async def run(self, call: Callable[[], T]) -> T:
        """Return or raise the result of `call`, which runs in a thread."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                self._idle.append(calls)
                return
            try:
                result = call()
            except BaseException as error:
                self._idle.append(calls)
                future.set_exception(error)
            else:
                self._idle.append(calls)  # before the caller continues, so that its next call takes this thread
                future.set_result(result)

        try:
            calls = self._idle.pop()
        except IndexError:
            calls = SimpleQueue()
            thread = threading.Thread(target=self._serve, args=(calls,), name="forefront-store", daemon=True)
            calls.put(work)
            self._starter.submit(_start, thread, future)
        else:
            calls.put(work)
        return await asyncio.wrap_future(future)

    def _serve(self, calls: "SimpleQueue[Callable[[], None]]") -> None:
        while True:
            try:
                work = calls.get(timeout=self._idle_seconds)
            except Empty:
                try:
                    self._idle.remove(calls)
                except ValueError:  # a call was just queued
                    continue
                return
            work()
            del work  # with its result


def _start(thread: threading.Thread, future: Future[T]) -> None:
    try:
        thread.start()
    except BaseException as error:  # the system has no memory or no room for a thread
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
