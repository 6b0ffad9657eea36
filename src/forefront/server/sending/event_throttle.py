"""Spacing of a stream's events, for clients that parse each network read as one event.

The published Node client of 2024 does, and loses the second of two events that arrive together. Its `user-agent` is
that of the bare `fetch` of Node, so all such programs get at most 200 events a second, and lose none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Scope

from forefront.server.http.headers import header

GAP: Final = 0.005  # seconds
_BARE_FETCH: Final = frozenset({"node", "undici"})

Write = Callable[[bytes], Awaitable[None]]


def throttled(scope: Scope, write: Write) -> Write:
    """`write`; for such clients, a `write` that waits until `GAP` has passed since the one before."""
    if header(scope, b"user-agent") not in _BARE_FETCH:
        return write
    last = -GAP

    async def write_after_gap(body: bytes) -> None:
        nonlocal last
        if (left := last + GAP - time.monotonic()) > 0:
            await asyncio.sleep(left)
        await write(body)
        last = time.monotonic()

    return write_after_gap
