"""Reservations and settlements, on the event loop; a clerk's thread commits them in groups.

Budgets are held by allotments: most requests are admitted from memory, and only their rows wait for a commit. What
happens when the database fails, the clerk says.
"""

import asyncio
import secrets
import time

from forefront.gateway.ledger.budget_lease import Allotments, Hold
from forefront.gateway.ledger.ledger_thread import HUNG, PATIENCE, Clerk, reject
from forefront.gateway.ledger.statements import Refusal, Reservation, Row
from forefront.gateway.ledger.write_queue import Inbox, Settlement, Wish
from forefront.gateway.store.database import Database, StoreError

_SWEEP = 0.5  # seconds between looks for allotments that nobody uses


class Writer:
    """Reserves and settles. `start` it on the event loop that calls it; `close` writes what is left."""

    def __init__(self, database: Database) -> None:
        instance = secrets.token_hex(8)
        self._inbox = Inbox()
        self._allotments = Allotments(instance)
        self._clerk = Clerk(database, instance, self._inbox, self._free, self._return)
        self._sweeping = False
        self._stopping = False

    @property
    def healthy(self) -> bool:
        """See `Clerk.healthy`."""
        return self._clerk.healthy

    def start(self) -> None:
        """See `Clerk.start`."""
        self._clerk.start()

    async def reserve(self, wanted: Reservation) -> Hold | Refusal:
        """Hold the amount under every budget, or say why not. Raises `StoreError`."""
        allotment = self._allotments.of(wanted.key, wanted.project, (wanted.key_budget, wanted.project_budget))
        allotment.running += 1
        hold = Hold(allotment, wanted.tokens, wanted.cost)
        self._sweep_later()
        if self.healthy and time.monotonic() < self._clerk.known_until and allotment.take(wanted.tokens, wanted.cost):
            return hold
        granted = False
        try:
            async with asyncio.timeout(HUNG):
                refusal = await self._ask(hold)
                if refusal is not None and (backs := self._allotments.recall(wanted.project)):
                    # Near the end of a budget, what waits in memory is what is missing.
                    for back in backs:
                        self._return(back)
                    refusal = await self._ask(hold)
            granted = refusal is None
        except TimeoutError:
            raise StoreError("it does not answer") from None
        finally:
            if not granted:
                allotment.running -= 1
        return hold if refusal is None else refusal

    async def settle(self, row: Row, hold: Hold | None) -> None:
        """Return once the row has been committed, and what was held has been given back.

        Raises `StoreError` after some seconds; the row is then written as a failed one as soon as the store works.
        """
        done = self._settle(row, hold)
        # Less than half of what `asyncio.timeout` takes, for every request.
        giving_up = asyncio.get_running_loop().call_later(HUNG, self._give_up, row, done)
        try:
            await done
        finally:
            giving_up.cancel()

    def post(self, row: Row, hold: Hold | None) -> None:
        """The same, without waiting."""
        _ignore(self._settle(row, hold))

    def give_back(self, hold: Hold) -> None:
        """Release what a request holds that never ran, without waiting."""
        hold.allotment.running -= 1
        self._free(hold)

    async def close(self) -> None:
        """Write what is left, for some seconds at most, and end."""
        self._stopping = True
        await self._clerk.close()

    async def _ask(self, hold: Hold) -> Refusal | None:
        done: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        self._inbox.put(Wish(hold, done))
        try:
            return await done
        except asyncio.CancelledError:
            if not done.cancelled() and done.exception() is None and done.result() is None:
                self._free(hold)  # granted at the very moment
            raise

    def _settle(self, row: Row, hold: Hold | None) -> asyncio.Future[None]:
        if hold is not None:
            hold.allotment.running -= 1
        return self._put(row, hold)

    def _give_up(self, row: Row, done: asyncio.Future[None]) -> None:
        if reject(done, StoreError("it does not answer")):
            _ignore(self._put(row.withheld(), None, tried=True))  # should it be written after all

    def _put(self, row: Row | None, hold: Hold | None, *, tried: bool = False) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put(Settlement(row, hold, time.monotonic() + PATIENCE, done, tried))
        return done

    def _free(self, hold: Hold) -> None:
        hold.allotment.add(hold.tokens, hold.cost)
        if (back := hold.allotment.surplus(time.monotonic())) is not None:
            self._return(back)

    def _return(self, back: Hold) -> None:
        """Let the store have it again."""
        _ignore(self._put(None, back))

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        if self._stopping:
            return
        for back in self._allotments.sweep():
            self._return(back)
        if len(self._allotments):
            self._sweep_later()


def _ignore(future: asyncio.Future[None]) -> None:
    """An exception that nobody asks for is not worth a warning: it has been logged."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
