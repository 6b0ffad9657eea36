"""A semaphore that tenants share: who waits is let in by weighted fair queueing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from forefront.fairness.fair_queue import FairQueue
from forefront.fairness.tenant import Tenant


class SemaphoreClosedError(Exception):
    """No more slots are given out."""


class Ticket:
    """One call's place in the queue, then its slot."""

    def __init__(self, tenant: Tenant, cost: int, turn: "asyncio.Future[None]") -> None:
        self.tenant, self.cost, self.turn = tenant, cost, turn
        self.started = False


class FairSemaphore:
    """`slots` slots, of which one tenant holds at most half (at least one). The backlog of one tenant delays another's
    next call by no more than the calls that already run. Used from one event loop. The number of waiting calls is
    bounded by the caller."""

    def __init__(self, slots: int) -> None:
        self._queue: FairQueue[Ticket] = FairQueue(slots, room=2**31, most=max(slots // 2, 1))
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
            await ticket.turn
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
        """Give the slot back, once."""
        self._queue.done(ticket.tenant.name, ticket, ticket.cost, ticket.cost)
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
        """Refuse the calls that wait, and all later ones."""
        self._closed = True
        for ticket in self._waiting:
            if not ticket.turn.done():
                ticket.turn.set_exception(SemaphoreClosedError())

    def _start_next(self) -> None:
        while (ticket := self._queue.next()) is not None:
            ticket.started = True
            if not ticket.turn.done():  # its task may have been cancelled in this turn of the loop
                ticket.turn.set_result(None)
