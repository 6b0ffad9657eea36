"""Runs blocking calls of the store outside the event loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def run_in_thread(call: Callable[[], T]) -> T:
    """Return or raise the result of `call`, which runs in a new daemon thread.

    asyncio's default executor is unsuitable: its threads are few and shared, and the process waits for them at exit. A
    store that hangs would occupy all of them.
    """
    future: Future[T] = Future()

    def work() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="forefront-store", daemon=True).start()
    return await asyncio.wrap_future(future)
