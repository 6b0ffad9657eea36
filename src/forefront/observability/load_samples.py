"""Samples the load of the server for its history."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from forefront.observability.server_metrics import ServerMetrics

_INTERVAL = 1.0  # seconds


@contextmanager
def sampled_load(metrics: ServerMetrics) -> Iterator[None]:
    """Record the running and waiting requests and the errors once a second, on the running event loop."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def tick() -> None:
        nonlocal timer
        models = metrics.models.values()
        running, waiting = sum(model.running for model in models), sum(model.waiting for model in models)
        metrics.history.sample(running, waiting, metrics.errors)
        timer = loop.call_later(_INTERVAL, tick)

    timer = loop.call_later(_INTERVAL, tick)
    try:
        yield
    finally:
        timer.cancel()
