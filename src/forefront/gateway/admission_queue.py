"""The queue before the engine: fair admission of requests, and estimates of the wait."""

import asyncio
import math
import time
from collections.abc import Callable

from forefront.fairness.fair_queue import FairQueue
from forefront.wire.errors import RequestError

# Seconds over which throughput is averaged, and the throughput in tokens per second before the first measurement.
_AVERAGING_TIME = 10.0
_INITIAL_THROUGHPUT = 200.0
# A project may hold this multiple of the places that all projects leave free: 7/8 of all places if alone, 7/15 each for
# two. This is the dynamic threshold of `fairness/quota.py`, with less kept free.
_SHARE = 7


class QueueEntry:
    """A place in the queue, then an engine slot. `release` gives up either."""

    def __init__(self, queue: "AdmissionQueue", tenant: str, tokens: int) -> None:
        self._queue = queue
        self.tenant = tenant
        self.tokens = tokens
        self._granted: asyncio.Future[None] | None = None  # only for an entry that must wait
        self.waiting = True
        self._released = False

    async def wait(self) -> None:
        """Return once the entry has a slot."""
        if self.waiting:
            self._granted = asyncio.get_running_loop().create_future()
            await self._granted

    def estimate(self) -> tuple[int, float]:
        """The number of requests ahead in the queue, and the seconds that they take at the current throughput."""
        return self._queue.estimate(self)

    def grant(self) -> None:
        """Give the entry its slot."""
        self.waiting = False
        if self._granted is not None and not self._granted.done():  # done if the waiting task was just cancelled
            self._granted.set_result(None)

    def release(self, used: int) -> None:
        """Free the place or slot; `used` tokens were computed. Further calls have no effect."""
        if not self._released:
            self._released = True
            self._queue.finish(self, used)


class AdmissionQueue:
    """Grants engine slots fairly. Requests beyond `slots` wait; beyond `max_waiting` waiting ones they are refused.

    No project can take all places: some stay free for others. While one project holds the slots, projects below their
    share get additional slots, up to as many again.
    """

    def __init__(self, slots: int, max_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue: FairQueue[QueueEntry] = FairQueue(slots, max_waiting, extra_slots=slots)
        self._reserved: dict[str, int] = {}  # places by project
        self._reserved_total = 0
        self._clock = clock
        self._throughput = _INITIAL_THROUGHPUT
        self._finished_tokens = 0
        self._measured_at = clock()

    @property
    def running(self) -> int:
        """The number of requests with a slot."""
        return self._queue.running

    @property
    def waiting(self) -> int:
        """The number of requests that wait for one."""
        return self._queue.waiting

    def resize(self, slots: int, max_waiting: int) -> None:
        """Change the bounds. Requests beyond them keep their slots and places."""
        self._queue.resize(slots, max_waiting, extra_slots=slots)
        self._grant()

    def reserve(self, tenant: str) -> None:
        """Reserve a place for a request of unknown size, so that no more requests are prepared than fit. `enqueue` or
        `cancel` follows."""
        self._reserved[tenant] = self._reserved.get(tenant, 0) + 1
        self._reserved_total += 1

    def cancel(self, tenant: str) -> None:
        """Cancel a reservation."""
        self._reserved_total -= 1
        left = self._reserved[tenant] - 1
        if left:
            self._reserved[tenant] = left
        else:
            del self._reserved[tenant]

    def enqueue(self, tenant: str, weight: float, tokens: int) -> QueueEntry:
        """Turn a reservation into an entry, whose slot is granted now or later."""
        self.cancel(tenant)
        entry = QueueEntry(self, tenant, tokens)
        self._queue.add(tenant, weight, entry, tokens)
        self._grant()
        return entry

    def check(self, tenant: str) -> None:
        """Raise `RequestError` 503 with `retry-after` if the project has no place left."""
        reserved = self._reserved_total
        free = self._queue.free_places - reserved
        held = self._queue.held(tenant) + self._reserved.get(tenant, 0)
        if free > 0 and held < _SHARE * free:
            return
        ahead, wait = self._queue.waiting + reserved, self._queue.tokens_waiting / self._throughput
        text = f"The server is busy: {ahead} requests are waiting, which will take about {math.ceil(wait)} s."
        # Places are freed continuously: the next one long before the end of the queue is reached.
        error = RequestError("overloaded", text, retry_after=max(wait / max(ahead, 1), 1.0))
        error.queue_position = ahead
        raise error

    def finish(self, entry: QueueEntry, used: int) -> None:
        """See `QueueEntry.release`."""
        if entry.waiting:
            self._queue.remove(entry.tenant, entry)
            return
        self._measure(entry.tokens)
        self._queue.finish(entry.tenant, entry, entry.tokens, used)
        self._grant()

    def estimate(self, entry: QueueEntry) -> tuple[int, float]:
        """See `QueueEntry.estimate`."""
        if not entry.waiting:
            return 0, 0.0
        requests, tokens = self._queue.ahead(entry)
        return requests, tokens / self._throughput

    def estimate_next(self, tenant: str, weight: float) -> tuple[int, float]:
        """The estimate for a request that the project would send now."""
        requests, tokens = self._queue.ahead_of_next(tenant, weight)
        return requests, tokens / self._throughput

    def _grant(self) -> None:
        while (entry := self._queue.start_next()) is not None:
            entry.grant()

    def _measure(self, tokens: int) -> None:
        """Add a finished request to the throughput, by its reserved size, the unit in which waiting ones count."""
        self._finished_tokens += tokens
        elapsed = self._clock() - self._measured_at
        if elapsed >= 1:
            share = min(elapsed / _AVERAGING_TIME, 1)
            self._throughput = max(self._throughput * (1 - share) + self._finished_tokens / elapsed * share, 1.0)
            self._finished_tokens, self._measured_at = 0, self._clock()
