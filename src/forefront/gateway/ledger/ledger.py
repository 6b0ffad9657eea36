"""Budget reservations and settlements of requests, on the event loop. A thread commits them in batches.

Budgets are held through leases: most requests are admitted from memory, and only their rows wait for a commit. See
`ledger_writer.py` for failures of the database.
"""

import asyncio
import secrets
import time

from forefront.gateway.ledger.budget_lease import BudgetHold, BudgetLeases, BudgetRefusal, ReservationRequest
from forefront.gateway.ledger.ledger_writer import STORE_TIMEOUT, WRITE_GRACE, LedgerWriter, reject
from forefront.gateway.ledger.settlement import LedgerRow
from forefront.gateway.ledger.write_queue import PendingReservation, PendingSettlement, WriteQueue
from forefront.gateway.store.database import Database, StoreError
from forefront.observability.histogram import Histogram
from forefront.observability.server_metrics import SHORT_TIMES

_SWEEP_INTERVAL = 0.5  # seconds


class Ledger:
    """Call `start` on the event loop that uses the ledger. `close` writes the remaining rows.

    `server_id`: the id under which this server is registered in the store while the ledger runs.
    """

    def __init__(self, database: Database) -> None:
        self.server_id = secrets.token_hex(8)
        self._queue = WriteQueue()
        self._leases = BudgetLeases(self.server_id)
        self._thread = LedgerWriter(database, self.server_id, self._queue, self._free, self._return_to_store)
        self._sweeping = False
        self._stopping = False
        # Seconds from the end of an answer to the commit of its row.
        self.write_times = Histogram(SHORT_TIMES)

    @property
    def pending(self) -> int:
        """Rows and reservations that wait for a commit."""
        return self._queue.size() + self._thread.unwritten

    @property
    def healthy(self) -> bool:
        """See `LedgerWriter.healthy`."""
        return self._thread.healthy

    def start(self) -> None:
        """See `LedgerWriter.start`."""
        self._thread.start()

    async def reserve(self, request: ReservationRequest) -> BudgetHold | BudgetRefusal:
        """Hold the amount under every budget, or return the refusal. Raises `StoreError`."""
        lease = self._leases.get(request.key_id, request.project, (request.key_budget, request.project_budget))
        lease.running += 1
        hold = BudgetHold(lease, request.tokens, request.cost)
        self._schedule_sweep()
        leases_valid = time.monotonic() < self._thread.leases_valid_until
        if self.healthy and leases_valid and lease.take(request.tokens, request.cost):
            return hold
        granted = False
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                refusal = await self._reserve_in_store(hold)
                if refusal is not None and (recalled := self._leases.recall(request.project)):
                    # Near the end of a budget, the free amounts of leases may be the missing part.
                    for free in recalled:
                        self._return_to_store(free)
                    refusal = await self._reserve_in_store(hold)
            granted = refusal is None
        except TimeoutError:
            raise StoreError("it does not respond") from None
        finally:
            if not granted:
                lease.running -= 1
        return hold if refusal is None else refusal

    async def settle(self, row: LedgerRow, hold: BudgetHold | None) -> None:
        """Return once the row is committed and the hold released.

        Raises `StoreError` after some seconds. The row is then written as failed as soon as the store works.
        """
        begin, done = time.monotonic(), self._settle(row, hold)
        # A timer takes less than half of the time of `asyncio.timeout`, which would be spent on every request.
        timer = asyncio.get_running_loop().call_later(STORE_TIMEOUT, self._time_out, row, done)
        try:
            await done
        finally:
            timer.cancel()
            self.write_times.observe(time.monotonic() - begin)

    def post(self, row: LedgerRow, hold: BudgetHold | None) -> None:
        """Like `settle`, without waiting."""
        _ignore_error(self._settle(row, hold))

    def release(self, hold: BudgetHold) -> None:
        """Release the hold of a request that never ran, without waiting."""
        hold.lease.running -= 1
        self._free(hold)

    async def close(self) -> None:
        """Write the remaining rows, for a few seconds at most, and end."""
        self._stopping = True
        await self._thread.close()

    async def _reserve_in_store(self, hold: BudgetHold) -> BudgetRefusal | None:
        done: asyncio.Future[BudgetRefusal | None] = asyncio.get_running_loop().create_future()
        self._queue.put(PendingReservation(hold, done))
        try:
            return await done
        except asyncio.CancelledError:
            if not done.cancelled() and done.exception() is None and done.result() is None:
                self._free(hold)  # the reservation was granted at the same moment
            raise

    def _settle(self, row: LedgerRow, hold: BudgetHold | None) -> asyncio.Future[None]:
        if hold is not None:
            hold.lease.running -= 1
        return self._enqueue(row, hold)

    def _time_out(self, row: LedgerRow, done: asyncio.Future[None]) -> None:
        if reject(done, StoreError("it does not respond")):
            _ignore_error(self._enqueue(row.as_failed(), None, retry=True))  # the first try may still be committed

    def _enqueue(self, row: LedgerRow | None, hold: BudgetHold | None, *, retry: bool = False) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(PendingSettlement(row, hold, time.monotonic() + WRITE_GRACE, done, retry))
        return done

    def _free(self, hold: BudgetHold) -> None:
        hold.lease.add(hold.tokens, hold.cost)
        if (surplus := hold.lease.take_surplus(time.monotonic())) is not None:
            self._return_to_store(surplus)

    def _return_to_store(self, hold: BudgetHold) -> None:
        _ignore_error(self._enqueue(None, hold))

    def _schedule_sweep(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(_SWEEP_INTERVAL, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        if self._stopping:
            return
        for surplus in self._leases.sweep():
            self._return_to_store(surplus)
        if len(self._leases):
            self._schedule_sweep()


def _ignore_error(future: asyncio.Future[None]) -> None:
    """Mark the future's exception as retrieved. The ledger thread has logged it."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
