"""Calls that block on the store, off the event loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def aside(call: Callable[[], T]) -> T:
    """What `call` returns or raises, on a thread of its own.

    Not on one of asyncio's: they are few, others need them, and the program does not end before they do. A store that
    hangs would keep all of them.
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
