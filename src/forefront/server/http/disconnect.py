"""Work that ends when its client disconnects."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None if the client disconnects first. Then `work` is cancelled and awaited.

    For use after the body has been read: `receive` has only the disconnection left to report.
    """
    task = asyncio.current_task()
    assert task is not None
    disconnected = False

    def cancel_work(_: asyncio.Task[None]) -> None:
        nonlocal disconnected
        disconnected = True
        task.cancel()

    # The work runs in the current task, since a task of its own would cost each request several microseconds.
    watcher = asyncio.ensure_future(_disconnection(receive))
    watcher.add_done_callback(cancel_work)
    try:
        return await work
    except asyncio.CancelledError:
        if not disconnected or task.uncancel():
            raise
        return None
    finally:
        watcher.remove_done_callback(cancel_work)
        watcher.cancel()


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
