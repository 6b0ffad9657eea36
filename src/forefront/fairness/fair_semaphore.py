"""A semaphore that tenants share: waiting calls are admitted by weighted fair queueing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from forefront.fairness.fair_queue import FairQueue
from forefront.fairness.tenant import Tenant


class SemaphoreClosedError(Exception):
    """The semaphore is closed and grants no more slots."""


class Ticket:
    """One call's place in the queue, then its slot."""

    def __init__(self, tenant: Tenant, cost: int, granted: "asyncio.Future[None]") -> None:
        self.tenant, self.cost, self.granted = tenant, cost, granted
        self.started = False


class FairSemaphore:
    """`slots` slots, of which one tenant holds at most half (at least one). The backlog of one tenant delays another's
    next call by no more than the calls that already run. Used from one event loop. The number of waiting calls is
    bounded by the caller."""

    def __init__(self, slots: int) -> None:
        self._queue: FairQueue[Ticket] = FairQueue(slots, max_waiting=2**31, max_per_tenant=max(slots // 2, 1))
        self._waiting: set[Ticket] = set()
        self._closed = False

    async def acquire(self, tenant: Tenant, cost: int) -> Ticket:
        """Wait for a slot. `cost` is the size of the call, in a unit that all calls share, such as bytes. Raises
        `SemaphoreClosedError`."""
        if self._closed:
            raise SemaphoreClosedError
        ticket = Ticket(tenant, cost, asyncio.get_running_loop().create_future())
        self._queue.add(tenant.name, tenant.weight, ticket, cost)
        self._waiting.add(ticket)
        self._start_next()
        try:
            await ticket.granted
        except (asyncio.CancelledError, SemaphoreClosedError):
            if ticket.started:
                self.release(ticket)
            else:
                self._queue.remove(tenant.name, ticket)
            raise
        finally:
            self._waiting.discard(ticket)
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Return the slot. Call once."""
        self._queue.finish(ticket.tenant.name, ticket, ticket.cost, ticket.cost)
        self._start_next()

    @asynccontextmanager
    async def slot(self, tenant: Tenant, cost: int = 1) -> AsyncIterator[None]:
        """Hold a slot until the context is left."""
        ticket = await self.acquire(tenant, cost)
        try:
            yield
        finally:
            self.release(ticket)

    def close(self) -> None:
        """Refuse the waiting calls and all later ones."""
        self._closed = True
        for ticket in self._waiting:
            if not ticket.granted.done():
                ticket.granted.set_exception(SemaphoreClosedError())

    def _start_next(self) -> None:
        while (ticket := self._queue.start_next()) is not None:
            ticket.started = True
            if not ticket.granted.done():  # its task may have been cancelled in this iteration of the loop
                ticket.granted.set_result(None)
