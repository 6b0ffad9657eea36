"""Work that ends when its client disconnects."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None if the client disconnects first. Then `work` is cancelled and awaited.

    For use after the body has been read: `receive` has only the disconnection left to report.
    """
    working = asyncio.ensure_future(work)
    disconnected = asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait({working, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        disconnected.cancel()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
