"""Measures the delay of the event loop's timers: the time that a request waits for other work on the loop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from forefront.observability.histogram import Histogram

_INTERVAL = 0.25  # seconds


@contextmanager
def measured_event_loop_lag(lag: Histogram) -> Iterator[None]:
    """Observe the lag of the running event loop four times a second."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def tick(due: float) -> None:
        nonlocal timer
        now = loop.time()
        lag.observe(max(now - due, 0.0))
        timer = loop.call_later(_INTERVAL, tick, now + _INTERVAL)

    timer = loop.call_later(_INTERVAL, tick, loop.time() + _INTERVAL)
    try:
        yield
    finally:
        timer.cancel()
