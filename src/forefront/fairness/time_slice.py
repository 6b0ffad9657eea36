"""Turns of long work on the event loop."""

import asyncio
import time
from typing import Final

# Seconds of work on the event loop after which other tasks run.
_TIME_SLICE: Final = 0.005


async def yield_to_event_loop(since: float) -> float:
    """Yield to the event loop if `since`, the `time.monotonic` of the last yield, is at least a time slice ago. Returns
    the time of the last yield."""
    now = time.monotonic()
    if now - since < _TIME_SLICE:
        return since
    await asyncio.sleep(0)
    return time.monotonic()
