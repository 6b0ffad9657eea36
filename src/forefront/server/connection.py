"""Work that is worth doing only while the client is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive


async def while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` until it is done or the client has gone, in which case it is cancelled and this returns.

    To be used once the body has been read: what `receive` then has to say is only that the client has left.
    """
    task = asyncio.current_task()
    assert task is not None
    working, gone = True, False

    def leave(_: "asyncio.Future[None]") -> None:
        nonlocal gone
        if working:
            gone = True
            task.cancel()

    leaving = asyncio.ensure_future(_left(receive))
    leaving.add_done_callback(leave)
    try:
        await work
    except asyncio.CancelledError:
        # Somebody else may have cancelled the task too.
        if not gone or task.uncancel():
            raise
    finally:
        working = False
        leaving.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
