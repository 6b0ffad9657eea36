"""The slots of llama.cpp's server: the generation in each slot, and the prefix in its part of the KV cache."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from forefront.engine.errors import EngineStoppedError
from forefront.fairness.fair_queue import FairQueue
from forefront.fairness.tenant import Tenant


@dataclass(eq=False, slots=True)
class Slot:
    """A slot of the server. `tokens` are in its cache, computed for `tenant`; `used` orders slots by their last use."""

    number: int
    tenant: str | None = None
    tokens: Sequence[int] = ()
    used: int = 0


@dataclass(eq=False, slots=True)
class SlotUse:
    """The use of a slot by a continuation. It must end soon after `yielding` is set. With `alone` no other slot is
    used. `tokens` are its prompt and output so far."""

    tenant: Tenant
    tokens: Sequence[int]
    alone: bool = False
    yielding: bool = False
    slot: Slot | None = None
    granted: "asyncio.Future[Slot]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class SlotPool:
    """Grants `count` slots. Waiting tenants take turns by weighted fair queueing. A tenant that has none while another
    has several gets one of those: the youngest yields. Used from one event loop."""

    def __init__(self, count: int) -> None:
        self._slots = [Slot(number) for number in range(count)]
        self._free = list(self._slots)
        self._running: list[SlotUse] = []
        self._queue: FairQueue[SlotUse] = FairQueue(count, max_waiting=2**31)
        self._alone: deque[SlotUse] = deque()
        self._uses = 0
        self._closed = False
        self.yields = 0

    @property
    def running(self) -> int:
        """Slots in use."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Uses that wait for a slot."""
        return self._queue.waiting + len(self._alone)

    @property
    def tokens_held(self) -> int:
        """Tokens of the running uses."""
        return sum(len(use.tokens) for use in self._running)

    @asynccontextmanager
    async def use(self, tenant: Tenant, tokens: Sequence[int], *, alone: bool = False) -> AsyncIterator[SlotUse]:
        """Wait for a slot and hold it until the context is left. Raises `EngineStoppedError`."""
        if self._closed:
            raise EngineStoppedError("the engine was stopped")
        use = SlotUse(tenant, tokens, alone)
        if alone:
            self._alone.append(use)
        else:
            self._queue.add(tenant.name, tenant.weight, use, len(tokens))
        self._start_next()
        try:
            await use.granted
            yield use
        finally:
            self._leave(use)

    def cached(self, tenant: Tenant, prompt: Sequence[int]) -> int:
        """The length of the longest prefix of a prompt in one of the tenant's slots."""
        return max(
            (common_prefix(slot.tokens, prompt) for slot in self._slots if slot.tenant == tenant.name), default=0
        )

    def forget(self) -> None:
        """All caches are empty: the server has been restarted."""
        for slot in self._slots:
            slot.tenant, slot.tokens = None, ()

    def close(self) -> None:
        """Grant no more slots. Waiting uses end by the cancellation of their tasks."""
        self._closed = True

    def _start_next(self) -> None:
        while self._free and not self._closed:
            if self._alone:
                if self._running:
                    return
                self._grant(self._alone.popleft())
                return
            if any(use.alone for use in self._running) or (use := self._queue.start_next()) is None:
                return
            self._grant(use)
        self._let_one_yield()

    def _grant(self, use: SlotUse) -> None:
        slot = max(self._free, key=lambda slot: self._affinity(slot, use))
        self._free.remove(slot)
        self._uses += 1
        slot.used = self._uses
        use.slot = slot
        self._running.append(use)
        if not use.granted.done():  # its task may have been cancelled in this iteration of the loop
            use.granted.set_result(slot)

    @staticmethod
    def _affinity(slot: Slot, use: SlotUse) -> tuple[int, int]:
        """The best slot has the longest beginning of the tokens; of equal ones, the least recently used."""
        same = common_prefix(slot.tokens, use.tokens) if slot.tenant == use.tenant.name else 0
        return same, -slot.used

    def _let_one_yield(self) -> None:
        """Let the youngest use of the tenant with the most slots yield to a waiting tenant without slots."""
        holders: dict[str, int] = {}
        for use in self._running:
            if use.yielding:
                return
            holders[use.tenant.name] = holders.get(use.tenant.name, 0) + 1
        largest = max(holders, key=lambda name: holders[name], default=None)
        if largest is None or holders[largest] < 2 or not self._queue.waiting_tenants() - holders.keys():
            return
        youngest = next(use for use in reversed(self._running) if use.tenant.name == largest)
        youngest.yielding = True
        self.yields += 1

    def _leave(self, use: SlotUse) -> None:
        name = use.tenant.name
        if use.slot is None:
            if use.alone:
                if use in self._alone:
                    self._alone.remove(use)
            else:
                self._queue.remove(name, use)
        else:
            use.slot.tenant, use.slot.tokens = name, use.tokens
            self._free.append(use.slot)
            self._running.remove(use)
            if not use.alone:
                self._queue.finish(name, use, 0, 0)
        self._start_next()


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """The number of equal tokens at the beginning."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:  # the first `low` are equal, the first `high` are not
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
