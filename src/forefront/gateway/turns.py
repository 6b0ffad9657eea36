"""Waiting for one's turn at the engine, and knowing how long it will take."""

import asyncio
import math
import time
from collections.abc import Callable

from forefront.fairness.fair_queue import FairQueue
from forefront.wire.errors import ApiError

# The pace is an average over about this many seconds, and what is assumed before anything has been measured.
_MEMORY = 10.0
_FIRST_PACE = 200.0  # tokens per second


class Turn:
    """A place in the queue, then a slot. `leave` gives up whichever it is."""

    def __init__(self, turns: "Turns", tenant: str, tokens: int) -> None:
        self._turns = turns
        self.tenant = tenant
        self.tokens = tokens
        self._granted: asyncio.Future[None] | None = None  # only for one that has to wait
        self.waits = True  # whether it is not yet this one's turn
        self._left = False

    async def granted(self) -> None:
        """Return once it is this one's turn."""
        if self.waits:
            self._granted = asyncio.get_running_loop().create_future()
            await self._granted

    def outlook(self) -> tuple[int, float]:
        """How many requests are ahead in the queue, and the seconds that this will take by the latest pace."""
        return self._turns.outlook(self)

    def grant(self) -> None:
        """It is this one's turn."""
        self.waits = False
        if (
            self._granted is not None and not self._granted.done()
        ):  # it is, if whoever waited was cancelled in this very moment
            self._granted.set_result(None)

    def leave(self, used: int) -> None:
        """Make room for the next; `used` tokens were taken. Does nothing the second time."""
        if not self._left:
            self._left = True
            self._turns.leave(self, used)


class Turns:
    """Grants turns fairly; everything beyond `slots` waits, and everything beyond `room` waiting ones is refused."""

    def __init__(self, slots: int, room: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue: FairQueue[Turn] = FairQueue(slots, room)
        self._coming = 0
        self._clock = clock
        self._pace = _FIRST_PACE
        self._ended = 0
        self._since = clock()

    @property
    def running(self) -> int:
        """How many have a slot."""
        return self._queue.running

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return self._queue.waiting

    def come(self) -> None:
        """Keep a place for a request whose size is not known yet: preparing more than can enter would be for nothing.
        It is followed by `enter` or by `stay_away`."""
        self._coming += 1

    def stay_away(self) -> None:
        """Give the place to another."""
        self._coming -= 1

    def enter(self, tenant: str, weight: float, tokens: int) -> Turn:
        """A turn for one that has come, granted now or later."""
        self._coming -= 1
        turn = Turn(self, tenant, tokens)
        self._queue.add(tenant, weight, turn, tokens)
        self._grant()
        return turn

    def check(self) -> None:
        """Raise `ApiError` 503 when too many wait or have come, with when to come again."""
        if self._queue.room_left <= self._coming:
            ahead, wait = self._queue.waiting + self._coming, self._queue.tokens_waiting / self._pace
            text = f"The server is busy: {ahead} requests are waiting, which will take about {math.ceil(wait)} s."
            # The queue moves all the time: the first free place comes long before its end.
            seconds = max(math.ceil(wait / max(ahead, 1)), 1)
            headers = {"retry-after": str(seconds), "x-queue-position": str(ahead)}
            raise ApiError("overloaded", text, headers=headers)

    def leave(self, turn: Turn, used: int) -> None:
        """See `Turn.leave`."""
        if turn.waits:
            self._queue.remove(turn.tenant, turn)
            return
        self._measure(turn.tokens)
        self._queue.done(turn.tenant, turn, turn.tokens, used)
        self._grant()

    def outlook(self, turn: Turn) -> tuple[int, float]:
        """See `Turn.outlook`."""
        if not turn.waits:
            return 0, 0.0
        requests, tokens = self._queue.ahead(turn)
        return requests, tokens / self._pace

    def outlook_for_next(self) -> tuple[int, float]:
        """The same for a request that came now, at worst."""
        return self._queue.waiting, self._queue.tokens_waiting / self._pace

    def _grant(self) -> None:
        while (turn := self._queue.next()) is not None:
            turn.grant()

    def _measure(self, tokens: int) -> None:
        """Take a request that ended into the pace, by the size that it was announced with, as those that wait are."""
        self._ended += tokens
        passed = self._clock() - self._since
        if passed >= 1:
            share = min(passed / _MEMORY, 1)
            self._pace = max(self._pace * (1 - share) + self._ended / passed * share, 1.0)
            self._ended, self._since = 0, self._clock()
