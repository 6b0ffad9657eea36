"""Threads that tenants share: work that would block the event loop, in fair turns."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from forefront.fairness.fair_semaphore import FairSemaphore, SemaphoreClosedError
from forefront.fairness.tenant import Tenant

T = TypeVar("T")


class WorkerPool:
    """`threads` threads, shared as a `FairSemaphore` is: the backlog of one tenant delays another's next call by no
    more than the calls that already run. Used from one event loop."""

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        self._slots = FairSemaphore(threads)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, tenant: Tenant, cost: int, function: Callable[[], T]) -> T:
        """The result of `function`, run in a thread. `cost` is its size, in a unit that all calls share, such as bytes.

        A waiting call whose task is cancelled never runs. A running one keeps its thread until it ends. Raises
        `SemaphoreClosedError` after `close`.
        """
        loop = self._loop = asyncio.get_running_loop()
        ticket = await self._slots.acquire(tenant, cost)
        try:
            future = self._executor.submit(function)
        except RuntimeError:
            self._slots.release(ticket)
            raise SemaphoreClosedError from None
        future.add_done_callback(lambda _: _on_loop(loop, lambda: self._slots.release(ticket)))
        # The shield keeps a cancelled task from cancelling `future`, which would free the place of a busy thread.
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """Refuse what waits, and end the threads once their calls have ended. Blocks; from any thread."""
        if self._loop is not None:
            _on_loop(self._loop, self._slots.close)
        self._executor.shutdown(wait=True, cancel_futures=True)


def _on_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop is closed, and the pool with it
        return
