"""Threads that tenants share: work that would block the event loop, in fair turns."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from forefront.fairness.fair_queue import FairQueue
from forefront.fairness.tenant import Tenant

T = TypeVar("T")


class _Call:
    """One call's place in the queue."""

    def __init__(self, tenant: Tenant, cost: int, turn: "asyncio.Future[None]") -> None:
        self.tenant, self.cost, self.turn = tenant, cost, turn
        self.started = False


class WorkerPool:
    """`threads` threads. Waiting calls start by weighted fair queueing in units of their `cost`, so the backlog of one
    tenant delays another's next call by no more than the calls that already run. Used from one event loop."""

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        # The number of waiting calls is bounded by the caller: each request has a place at the gateway first.
        self._queue: FairQueue[_Call] = FairQueue(threads, room=2**31)

    async def run(self, tenant: Tenant, cost: int, function: Callable[[], T]) -> T:
        """What `function` returns, run in a thread. `cost` is its size, in a unit that all calls share, such as bytes.

        A waiting call whose task is cancelled never runs. A running one keeps its thread until it ends.
        """
        loop = asyncio.get_running_loop()
        call = _Call(tenant, cost, loop.create_future())
        self._queue.add(tenant.name, tenant.weight, call, cost)
        self._start_next()
        try:
            await call.turn
        except asyncio.CancelledError:
            if call.started:
                self._finish(call)
            else:
                self._queue.remove(tenant.name, call)
            raise
        future = self._executor.submit(function)
        future.add_done_callback(lambda _: _on_loop(loop, lambda: self._finish(call)))
        # The shield keeps a cancelled task from cancelling `future`, which would free the place of a busy thread.
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """End the threads once their calls have ended."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _finish(self, call: _Call) -> None:
        self._queue.done(call.tenant.name, call, call.cost, call.cost)
        self._start_next()

    def _start_next(self) -> None:
        while (call := self._queue.next()) is not None:
            call.started = True
            if not call.turn.done():  # its task may have been cancelled in this turn of the loop
                call.turn.set_result(None)


def _on_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop is closed, and the pool with it
        return
