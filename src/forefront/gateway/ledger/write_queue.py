"""What waits for the ledger's thread, taken in groups."""

import asyncio
import queue
import time

import msgspec

from forefront.gateway.ledger.budget_lease import Hold
from forefront.gateway.ledger.statements import Refusal, Row

_GROUP = 1000
_GATHER = 0.001  # seconds, when many come: a larger group costs little more than a small one


class Settlement(msgspec.Struct):
    """A row, and what had been held for it."""

    row: Row | None  # None: nothing to write, only something to give back
    hold: Hold | None
    deadline: float
    done: asyncio.Future[None]
    tried: bool = False

    def used(self) -> tuple[int, int] | None:
        """Tokens and cost. None for what is only given back, and after a failure: the row may have been written
        before, as one that cost more."""
        if self.row is None or self.tried:
            return None
        return self.row.input_tokens + self.row.output_tokens, self.row.cost


class Wish(msgspec.Struct):
    """What one request wants to hold."""

    hold: Hold
    done: asyncio.Future[Refusal | None]


class Inbox:
    """Filled by the event loop, emptied by the writer's thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Settlement | Wish | None] = queue.SimpleQueue()
        self._busy = False  # more than one at a time comes, so that it pays to wait for the next

    def put(self, what: Settlement | Wish | None) -> None:
        """Add it; None only wakes the thread."""
        self._queue.put(what)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty()

    def take(self, wait: float) -> tuple[list[Settlement], list[Wish]]:
        """Everything that has come, after at most `wait` seconds for the first."""
        settlements: list[Settlement] = []
        wishes: list[Wish] = []
        try:
            came = self._queue.get(timeout=wait)
            if self._busy:
                time.sleep(_GATHER)
            while True:
                if isinstance(came, Settlement):
                    settlements.append(came)
                elif came is not None:
                    wishes.append(came)
                if len(settlements) + len(wishes) >= _GROUP:
                    break
                came = self._queue.get_nowait()
        except queue.Empty:
            pass
        self._busy = len(settlements) + len(wishes) > 1
        return settlements, wishes
