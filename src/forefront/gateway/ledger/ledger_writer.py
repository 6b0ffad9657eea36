"""The thread that writes the ledger. Rows that arrive during a commit are the next batch.

When the database fails, settlements are kept and retried until it works. Their callers get an error after a few
seconds, pending reservations at once.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa

from forefront.gateway.ledger.budget_lease import BudgetHold, BudgetLease, BudgetRefusal
from forefront.gateway.ledger.budget_transaction import BudgetTransaction
from forefront.gateway.ledger.settlement import write_rows
from forefront.gateway.ledger.write_queue import PendingReservation, PendingSettlement, WriteQueue
from forefront.gateway.store.database import Database, StoreError
from forefront.gateway.store.server_heartbeats import DEAD_AFTER, ServerHeartbeats, remove_server, send_heartbeat

log = logging.getLogger(__name__)
T = TypeVar("T")

_HEARTBEAT = 20.0  # seconds
_RETRY = 0.25
WRITE_GRACE = 5.0  # seconds until a caller gets an error, if the store fails
STORE_TIMEOUT = 15.0  # seconds until a caller gets an error, if the store does not respond


class LedgerWriter:
    """Empties `queue` on its thread and resolves its items on the event loop.

    There it also calls `free` with amounts that became free, and `give_back` with amounts to return to the store.
    """

    def __init__(
        self,
        database: Database,
        server_id: str,
        queue: WriteQueue,
        free: Callable[[BudgetHold], None],
        give_back: Callable[[BudgetHold], None],
    ) -> None:
        self.leases_valid_until = 0.0  # until then no other server considers this one dead
        self._database, self._server_id, self._queue = database, server_id, queue
        self._free, self._give_back = free, give_back
        self._store_works = True
        self._commit_started_at: float | None = None
        self._unwritten: list[PendingSettlement] = []
        self._holding: set[BudgetLease] = set()
        self._unsure: set[BudgetLease] = set()  # leases of commits with an unknown outcome
        self._stopping = False
        self._next_heartbeat = 0.0
        self._liveness = ServerHeartbeats()
        self._thread = threading.Thread(target=self._run, name="forefront-ledger", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def healthy(self) -> bool:
        """Whether the last commit succeeded, and no commit has been under way for long."""
        started_at = self._commit_started_at
        return self._store_works and (started_at is None or time.monotonic() - started_at < WRITE_GRACE)

    @property
    def unwritten(self) -> int:
        """Settlements that are kept because the store has failed."""
        return len(self._unwritten)

    def start(self) -> None:
        """Send the first heartbeat, which removes dead servers, and start the thread. Raises `StoreError`."""
        with self._database.write(for_ledger=True) as connection:
            send_heartbeat(connection, self._server_id, self._liveness)
        self._schedule_heartbeat()
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Write the remaining rows, for a few seconds at most, and end the thread."""
        self._queue.put(None)
        self._queue.flush()
        self._stopping = True
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, STORE_TIMEOUT)
            if self._thread.is_alive():
                log.error("the store does not respond: completions that are not yet written are lost")

    def _run(self) -> None:
        while not self._stopping or not self._queue.empty():
            timeout = self._next_heartbeat - time.monotonic() if self._store_works else _RETRY
            self._commit(*self._queue.take(max(timeout, 0.001)))
        end = time.monotonic() + WRITE_GRACE
        while self._unwritten and time.monotonic() < end:
            time.sleep(_RETRY)
            self._commit([], [])
        if self._unwritten:
            log.error("%d completions could not be written to the ledger", len(self._unwritten))
        self._unregister()

    def _commit(self, settlements: list[PendingSettlement], reservations: list[PendingReservation]) -> None:
        settlements = self._unwritten + settlements
        self._commit_started_at = time.monotonic()
        try:
            refusals, freed = self._write(settlements, [reservation.hold for reservation in reservations])
        except StoreError as error:
            self._keep_for_retry(error, settlements, reservations)
            return
        except Exception:
            log.exception("a batch could not be written to the ledger, although the store works")
            self._commit_separately(settlements, reservations)
            return
        finally:
            self._commit_started_at = None
        if not self._store_works:
            log.warning("the store works again")
        self._unwritten, self._store_works = [], True

        def resolve() -> None:
            for settlement in settlements:
                _resolve(settlement.done, None)
            for reservation, refusal in zip(reservations, refusals, strict=True):
                if not _resolve(reservation.done, refusal) and refusal is None:
                    self._free(reservation.hold)  # the caller was cancelled
            for lease, (tokens, cost) in freed.items():
                self._free(BudgetHold(lease, tokens, cost))

        self._call_on_loop(resolve)

    def _write(
        self, settlements: Sequence[PendingSettlement], holds: Sequence[BudgetHold]
    ) -> tuple[list[BudgetRefusal | None], dict[BudgetLease, list[int]]]:
        """Write one transaction. Returns a refusal or None for each of `holds`, and the amounts that became free."""
        heartbeat = not self._store_works or time.monotonic() >= self._next_heartbeat
        if not settlements and not holds and not heartbeat:
            return [], {}
        with self._database.write(for_ledger=True) as connection:
            if heartbeat and not self._send_heartbeat(connection):
                self._unsure |= self._holding  # other servers removed this one, with its budget leases
            rows = [settlement.row for settlement in settlements if settlement.row is not None]
            write_rows(connection, rows, retry=any(settlement.retry for settlement in settlements))
            budgets = BudgetTransaction(connection, self._server_id, self._unsure)
            for settlement in settlements:
                if settlement.hold is not None:
                    budgets.release(settlement.hold, settlement.used())
            refusals = [budgets.take(hold) for hold in holds]
            budgets.refill()
            budgets.write()
        budgets.apply()
        self._unsure.clear()
        self._holding.difference_update(budgets.changed)
        self._holding.update(lease for lease in budgets.changed if any(lease.held))
        if heartbeat:
            self._schedule_heartbeat()
        return refusals, budgets.freed

    def _keep_for_retry(
        self, error: StoreError, settlements: list[PendingSettlement], reservations: list[PendingReservation]
    ) -> None:
        """Keep settlements after a failure of the store. Settlements past their deadlines fail for their callers."""
        if self._store_works:
            log.error("the store cannot be written: %s", error)
        self._store_works = False
        late = [settlement for settlement in settlements if time.monotonic() > settlement.deadline]
        for settlement in settlements:
            settlement.retry = True
        self._unsure.update(settlement.hold.lease for settlement in settlements if settlement.hold is not None)
        self._unsure.update(reservation.hold.lease for reservation in reservations)
        for settlement in late:
            if settlement.row is not None and settlement.row.status == "completed":
                settlement.row = settlement.row.as_failed()
        self._unwritten = settlements

        def fail() -> None:
            for settlement in late:
                reject(settlement.done, error)
            for reservation in reservations:
                reject(reservation.done, error)

        self._call_on_loop(fail)

    def _commit_separately(self, settlements: list[PendingSettlement], reservations: list[PendingReservation]) -> None:
        """Write a batch item by item after an error in its content. An item that also fails separately is dropped."""
        self._unwritten = []
        self._next_heartbeat = time.monotonic() + _HEARTBEAT
        if len(settlements) + len(reservations) > 1:
            for settlement in settlements:
                self._commit([settlement], [])
            for reservation in reservations:
                self._commit([], [reservation])
            return
        for settlement in settlements:
            if settlement.row is not None:
                log.error("completion %s is not in the ledger: the store rejects its row", settlement.row.id)

        def fail() -> None:
            error = StoreError("the store rejects the row")
            for reservation in reservations:
                reject(reservation.done, error)
            for settlement in settlements:
                reject(settlement.done, error)
                if settlement.row is not None and settlement.hold is not None:
                    self._give_back(settlement.hold)

        self._call_on_loop(fail)

    def _send_heartbeat(self, connection: sa.Connection) -> bool:
        """See `send_heartbeat`. After an outage of the store all heartbeats are old, so the timers restart."""
        if time.monotonic() >= self.leases_valid_until:
            self._liveness.reset()
        return send_heartbeat(connection, self._server_id, self._liveness)

    def _schedule_heartbeat(self) -> None:
        now = time.monotonic()
        self._next_heartbeat, self.leases_valid_until = now + _HEARTBEAT, now + DEAD_AFTER / 2

    def _unregister(self) -> None:
        try:
            with self._database.write(for_ledger=True) as connection:
                remove_server(connection, self._server_id)
        except StoreError as error:
            log.warning("this server could not be removed from the store: %s", error)

    def _call_on_loop(self, call: Callable[[], None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            log.debug("the event loop is closed: no caller is left")


def _resolve(future: asyncio.Future[T], value: T) -> bool:
    if future.done():
        return False
    future.set_result(value)
    return True


def reject(future: asyncio.Future[T], error: StoreError) -> bool:
    """Fail the future, unless it is done. Returns whether it was not."""
    if future.done():
        return False
    future.set_exception(error)
    return True
