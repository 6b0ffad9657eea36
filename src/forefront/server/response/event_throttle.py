"""Time between the events of a stream, for clients that take one network read for one event.

The published Node client of 2024 does, and loses the second of two events that arrive together. It cannot be told from
other programs that call the bare `fetch` of Node, so these get the same: at most 200 events a second, none lost.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Scope

from forefront.server.http.headers import header

GAP: Final = 0.005  # seconds
_BARE_FETCH: Final = frozenset({"node", "undici"})

Say = Callable[[bytes], Awaitable[None]]


def spaced(scope: Scope, say: Say) -> Say:
    """`say`, or for such clients a `say` that waits until `GAP` has passed since the one before."""
    if header(scope, b"user-agent") not in _BARE_FETCH:
        return say
    last = -GAP

    async def say_apart(body: bytes) -> None:
        nonlocal last
        if (left := last + GAP - time.monotonic()) > 0:
            await asyncio.sleep(left)
        await say(body)
        last = time.monotonic()

    return say_apart
