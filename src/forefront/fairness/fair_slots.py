"""A semaphore that tenants share in fair turns."""

import asyncio

from forefront.fairness.fair_queue import FairQueue
from forefront.fairness.tenant import Tenant


class SlotsClosedError(Exception):
    """No more slots are given out."""


class Slot:
    """One place, held until `release`."""

    def __init__(self, slots: "FairSlots", tenant: Tenant, cost: int) -> None:
        self._slots = slots
        self.tenant, self.cost = tenant, cost
        self.granted = asyncio.get_running_loop().create_future()
        self.held = False

    def release(self) -> None:
        """Give the place to the next."""
        self._slots.release(self)


class FairSlots:
    """`count` slots. Waiting calls get them by weighted fair queueing in units of their `cost`.

    One tenant holds at most half of the slots (one at least), so its backlog never keeps others out for longer than
    what runs. Used from one event loop. The number of waiting calls is bounded by the caller: each request has a place
    at the gateway or holds its body's memory.
    """

    def __init__(self, count: int) -> None:
        self._queue: FairQueue[Slot] = FairQueue(count, room=2**31, most=max(count // 2, 1))
        self._waiting: set[Slot] = set()
        self._closed = False

    async def take(self, tenant: Tenant, cost: int) -> Slot:
        """A slot, once it is the tenant's turn. A task that is cancelled while it waits gets none. Raises
        `SlotsClosedError`."""
        if self._closed:
            raise SlotsClosedError
        slot = Slot(self, tenant, cost)
        self._queue.add(tenant.name, tenant.weight, slot, cost)
        self._waiting.add(slot)
        self._grant()
        try:
            await slot.granted
        except (asyncio.CancelledError, SlotsClosedError):
            if slot.held:
                self.release(slot)
            else:
                self._queue.remove(tenant.name, slot)
            raise
        finally:
            self._waiting.discard(slot)
        return slot

    def release(self, slot: Slot) -> None:
        """See `Slot.release`."""
        self._queue.done(slot.tenant.name, slot, slot.cost, slot.cost)
        self._grant()

    def close(self) -> None:
        """Refuse the calls that wait, and all later ones."""
        self._closed = True
        for slot in self._waiting:
            if not slot.granted.done():
                slot.granted.set_exception(SlotsClosedError())

    def _grant(self) -> None:
        while (slot := self._queue.next()) is not None:
            slot.held = True
            if not slot.granted.done():  # its task may have been cancelled in this turn of the loop
                slot.granted.set_result(None)
