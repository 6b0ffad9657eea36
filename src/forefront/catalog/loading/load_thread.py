"""Threads for loads, which take long and cannot be interrupted."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T], name: str) -> T:
    """Return or raise the result of `call`, which runs in a thread."""
    return await asyncio.wrap_future(start_thread(call, name))


def start_thread(call: Callable[[], T], name: str) -> Future[T]:
    """Run `call` in a daemon thread, which does not keep the process alive."""
    future: Future[T] = Future()

    def work() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

    threading.Thread(target=work, name=f"forefront-load-{name}", daemon=True).start()
    return future
