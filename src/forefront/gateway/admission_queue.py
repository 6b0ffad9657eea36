"""Waiting for one's turn at the engine, and knowing how long it will take."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable

from forefront.fairness.fair_queue import FairQueue
from forefront.wire.errors import ApiError

# The pace is an average over about this many seconds, and what is assumed before anything has been measured.
_MEMORY = 10.0
_FIRST_PACE = 200.0  # tokens per second
# A project may hold so many times the places that all projects leave free: one alone 7/8 of them, two 7/15 each. It is
# the dynamic threshold of `fairness/quota.py`, with less kept free.
_SHARE = 7


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
    """Grants turns fairly; everything beyond `slots` waits, and everything beyond `room` waiting ones is refused.

    No project can take all places: some stay free for others. While one holds the slots, projects that run less than
    their share of them get turns beyond, up to as many again.
    """

    def __init__(self, slots: int, room: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue: FairQueue[Turn] = FairQueue(slots, room, extra=slots)
        self._coming: Counter[str] = Counter()  # by project
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

    def come(self, tenant: str) -> None:
        """Keep a place for a request whose size is not known yet: preparing more than can enter would be for nothing.
        It is followed by `enter` or by `stay_away`."""
        self._coming[tenant] += 1

    def stay_away(self, tenant: str) -> None:
        """Give the place to another."""
        self._coming[tenant] -= 1
        if not self._coming[tenant]:
            del self._coming[tenant]

    def enter(self, tenant: str, weight: float, tokens: int) -> Turn:
        """A turn for one that has come, granted now or later."""
        self.stay_away(tenant)
        turn = Turn(self, tenant, tokens)
        self._queue.add(tenant, weight, turn, tokens)
        self._grant()
        return turn

    def check(self, tenant: str) -> None:
        """Raise `ApiError` 503 when the project has no place left, with when to come again."""
        coming = self._coming.total()
        free = self._queue.room_left - coming
        held = self._queue.held(tenant) + self._coming[tenant]
        if free > 0 and held < _SHARE * free:
            return
        ahead, wait = self._queue.waiting + coming, self._queue.tokens_waiting / self._pace
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

    def outlook_for_next(self, tenant: str, weight: float) -> tuple[int, float]:
        """The same for a request of the project that came now."""
        requests, tokens = self._queue.ahead_of_next(tenant, weight)
        return requests, tokens / self._pace

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
