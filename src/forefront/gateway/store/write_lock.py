"""The write lock of this process's threads on one SQLite file, granted in turn."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class WriteLock:
    """A lock whose waiters are served in order of arrival, the ledger's alternately with others.

    SQLite itself lets writers poll, with growing pauses: many of them would delay the ledger, and with it every answer.
    With this lock the ledger waits for at most one other transaction.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._ledger: deque[threading.Lock] = deque()
        self._others: deque[threading.Lock] = deque()

    @contextmanager
    def held(self, seconds: float, *, for_ledger: bool = False) -> Iterator[None]:
        """A context that holds the lock. Raises `TimeoutError` if it is not free within `seconds`."""
        self._acquire(seconds, self._ledger if for_ledger else self._others)
        try:
            yield
        finally:
            with self._mutex:
                self._pass_on(ledger_was_last=for_ledger)

    def _acquire(self, seconds: float, waiters: deque[threading.Lock]) -> None:
        turn = threading.Lock()
        with self._mutex:
            if not self._held:
                self._held = True
                return
            turn.acquire()
            waiters.append(turn)
        if turn.acquire(timeout=seconds):
            return
        with self._mutex:
            if turn in waiters:
                waiters.remove(turn)
                raise TimeoutError

    def _pass_on(self, *, ledger_was_last: bool) -> None:
        """Give the lock to the next waiter."""
        first, second = (self._others, self._ledger) if ledger_was_last else (self._ledger, self._others)
        waiters = first or second
        if waiters:
            waiters.popleft().release()
        else:
            self._held = False
