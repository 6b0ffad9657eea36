"""The thread that writes the ledger: whatever has come while it committed is its next group.

When the database fails, settlements are kept and tried again until it works; callers wait a few seconds and are then
told. Wishes are refused at once.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa

from forefront.gateway.ledger import statements as ledger
from forefront.gateway.ledger.budget_lease import Allotment, Hold
from forefront.gateway.ledger.budget_transaction import Books
from forefront.gateway.ledger.liveness import Silence
from forefront.gateway.ledger.statements import Refusal
from forefront.gateway.ledger.write_queue import Inbox, Settlement, Wish
from forefront.gateway.store.database import Database, StoreError

log = logging.getLogger(__name__)
T = TypeVar("T")

_HEARTBEAT = 20.0  # seconds
_RETRY = 0.25
PATIENCE = 5.0  # how long a caller waits for a store that fails, in seconds
HUNG = 15.0  # and for one that does not answer


class Clerk:
    """Empties `inbox` on a thread of its own, and resolves on the event loop what was in it.

    `free` is called there with what became free, `give_back` with what the store should have again.
    """

    def __init__(
        self,
        database: Database,
        instance: str,
        inbox: Inbox,
        free: Callable[[Hold], None],
        give_back: Callable[[Hold], None],
    ) -> None:
        self.known_until = 0.0  # until then no other server takes this one for dead
        self._database, self._instance, self._inbox = database, instance, inbox
        self._free, self._give_back = free, give_back
        self._works = True
        self._since: float | None = None  # when the commit under way began
        self._kept: list[Settlement] = []
        self._holding: set[Allotment] = set()
        self._unsure: set[Allotment] = set()  # those of commits that failed, or only seemed to
        self._stopping = False
        self._next_heartbeat = 0.0
        self._silence = Silence()
        self._thread = threading.Thread(target=self._work, name="forefront-ledger", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def healthy(self) -> bool:
        """Whether the last thing that was to be written could be, and nothing has been on its way for long."""
        since = self._since
        return self._works and (since is None or time.monotonic() - since < PATIENCE)

    def start(self) -> None:
        """Begin to write, and give back what servers that died on this machine had reserved. Raises `StoreError`."""
        with self._database.write() as connection:
            ledger.report_alive(connection, self._instance, self._silence)
        self._beaten()
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Write what is left, for some seconds at most, and end."""
        self._stopping = True
        self._inbox.put(None)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, HUNG)
            if self._thread.is_alive():
                log.error("the store does not answer: what it was not told is lost")

    def _work(self) -> None:
        while not self._stopping or not self._inbox.empty():
            wait = self._next_heartbeat - time.monotonic() if self._works else _RETRY
            self._commit(*self._inbox.take(max(wait, 0.001)))
        end = time.monotonic() + PATIENCE
        while self._kept and time.monotonic() < end:
            time.sleep(_RETRY)
            self._commit([], [])
        if self._kept:
            log.error("%d completions could not be written to the ledger", len(self._kept))
        self._say_goodbye()

    def _commit(self, settlements: list[Settlement], wishes: list[Wish]) -> None:
        settlements = self._kept + settlements
        self._since = time.monotonic()
        try:
            refusals, gained = self._write(settlements, [wish.hold for wish in wishes])
        except StoreError as error:
            self._failed(error, settlements, wishes)
            return
        except Exception:
            log.exception("a group could not be written to the ledger, though the store works")
            self._apart(settlements, wishes)
            return
        finally:
            self._since = None
        if not self._works:
            log.warning("the store works again")
        self._kept, self._works = [], True

        def tell() -> None:
            for settlement in settlements:
                _resolve(settlement.done, None)
            for wish, refusal in zip(wishes, refusals, strict=True):
                if not _resolve(wish.done, refusal) and refusal is None:
                    self._free(wish.hold)  # whoever wished has gone
            for allotment, (tokens, cost) in gained.items():
                self._free(Hold(allotment, tokens, cost))

        self._on_loop(tell)

    def _write(
        self, settlements: Sequence[Settlement], wanted: Sequence[Hold]
    ) -> tuple[list[Refusal | None], dict[Allotment, list[int]]]:
        """Which of the wanted were refused, and what became free."""
        beat = not self._works or time.monotonic() >= self._next_heartbeat
        if not settlements and not wanted and not beat:
            return [], {}
        with self._database.write() as connection:
            if beat and not self._report_alive(connection):
                self._unsure |= self._holding  # others took this server for dead, and gave back what it holds
            rows = [settlement.row for settlement in settlements if settlement.row is not None]
            ledger.settle(connection, rows, again=any(settlement.tried for settlement in settlements))
            books = Books(connection, self._instance, self._unsure)
            for settlement in settlements:
                if settlement.hold is not None:
                    books.release(settlement.hold, settlement.used())
            refusals = [books.take(hold) for hold in wanted]
            books.fill()
            books.write()
        books.apply()
        self._unsure.clear()
        self._holding.difference_update(books.changed)
        self._holding.update(one for one in books.changed if any(one.held))
        if beat:
            self._beaten()
        return refusals, books.gained

    def _failed(self, error: StoreError, settlements: list[Settlement], wishes: list[Wish]) -> None:
        if self._works:
            log.error("the store cannot be written: %s", error)
        self._works = False
        late = [one for one in settlements if time.monotonic() > one.deadline]
        for settlement in settlements:
            settlement.tried = True
        self._unsure.update(one.hold.allotment for one in settlements if one.hold is not None)
        self._unsure.update(wish.hold.allotment for wish in wishes)
        for settlement in late:
            if settlement.row is not None and settlement.row.status == "completed":
                settlement.row = settlement.row.withheld()
        self._kept = settlements

        def tell() -> None:
            for settlement in late:
                reject(settlement.done, error)
            for wish in wishes:
                reject(wish.done, error)

        self._on_loop(tell)

    def _apart(self, settlements: list[Settlement], wishes: list[Wish]) -> None:
        """Write a group one by one, after it failed for what is in it; whatever fails alone is given up."""
        self._kept = []
        self._next_heartbeat = time.monotonic() + _HEARTBEAT
        if len(settlements) + len(wishes) > 1:
            for settlement in settlements:
                self._commit([settlement], [])
            for wish in wishes:
                self._commit([], [wish])
            return
        for settlement in settlements:
            if settlement.row is not None:
                log.error("completion %s is not in the ledger: the row does not fit", settlement.row.id)

        def tell() -> None:
            error = StoreError("the row does not fit")
            for wish in wishes:
                reject(wish.done, error)
            for settlement in settlements:
                reject(settlement.done, error)
                if settlement.row is not None and settlement.hold is not None:
                    self._give_back(settlement.hold)

        self._on_loop(tell)

    def _report_alive(self, connection: sa.Connection) -> bool:
        """See `ledger.report_alive`. After a failure of the store everybody has been silent: nobody is judged by it."""
        if time.monotonic() >= self.known_until:
            self._silence.forget()
        return ledger.report_alive(connection, self._instance, self._silence)

    def _beaten(self) -> None:
        now = time.monotonic()
        self._next_heartbeat, self.known_until = now + _HEARTBEAT, now + ledger.DEAD_AFTER / 2

    def _say_goodbye(self) -> None:
        try:
            with self._database.write() as connection:
                ledger.leave(connection, self._instance)
        except StoreError as error:
            log.warning("the store could not be told of the end: %s", error)

    def _on_loop(self, call: Callable[[], None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            log.debug("the event loop has been closed: nobody is left to be told")


def _resolve(future: asyncio.Future[T], value: T) -> bool:
    if future.done():
        return False
    future.set_result(value)
    return True


def reject(future: asyncio.Future[T], error: StoreError) -> bool:
    """Tell whoever waits of the error; whether anybody still did."""
    if future.done():
        return False
    future.set_exception(error)
    return True
