"""The queue from the event loop to the ledger thread, which takes all waiting rows as one batch."""

import asyncio
import queue
import time

import msgspec

from forefront.gateway.ledger.budget_lease import BudgetHold, BudgetRefusal
from forefront.gateway.ledger.settlement import LedgerRow

_MAX_BATCH = 1000
_GATHER = 0.001  # seconds to wait under load, because a large batch costs little more than a small one


class PendingSettlement(msgspec.Struct):
    """A row to write and the hold of its request."""

    row: LedgerRow | None  # None: only the hold is released
    hold: BudgetHold | None
    deadline: float
    done: asyncio.Future[None]
    retry: bool = False  # an earlier commit may have written the row

    def used(self) -> tuple[int, int] | None:
        """Tokens and cost. None if there is no row, and on a retry, which may find a row of another cost."""
        if self.row is None or self.retry:
            return None
        return self.row.input_tokens + self.row.output_tokens, self.row.cost_nanos


class PendingReservation(msgspec.Struct):
    """The amount that one request wants to hold."""

    hold: BudgetHold
    done: asyncio.Future[BudgetRefusal | None]


class WriteQueue:
    """Filled by the event loop, emptied by the ledger thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[PendingSettlement | PendingReservation | None] = queue.SimpleQueue()
        self._added: list[PendingSettlement | PendingReservation | None] = []
        self._busy = False  # the last batch had several items, so it is worth waiting for more

    def put(self, item: PendingSettlement | PendingReservation | None) -> None:
        """Add an item; None only wakes the thread. What one iteration of the event loop adds is passed on together."""
        if not self._added:
            asyncio.get_running_loop().call_soon(self.flush)
        self._added.append(item)

    def flush(self) -> None:
        """Pass on the added items."""
        added, self._added = self._added, []
        for item in added:
            self._queue.put(item)

    def empty(self) -> bool:
        """Whether no item waits."""
        return not self._added and self._queue.empty()

    def size(self) -> int:
        """The number of items that wait."""
        return len(self._added) + self._queue.qsize()

    def take(self, timeout: float) -> tuple[list[PendingSettlement], list[PendingReservation]]:
        """All waiting items, after at most `timeout` seconds for the first one."""
        settlements: list[PendingSettlement] = []
        reservations: list[PendingReservation] = []
        try:
            item = self._queue.get(timeout=timeout)
            if self._busy:
                time.sleep(_GATHER)
            while True:
                if isinstance(item, PendingSettlement):
                    settlements.append(item)
                elif item is not None:
                    reservations.append(item)
                if len(settlements) + len(reservations) >= _MAX_BATCH:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        self._busy = len(settlements) + len(reservations) > 1
        return settlements, reservations
