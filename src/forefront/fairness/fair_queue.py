"""Whose turn it is: weighted fair queueing, in tokens. Pure decisions, with no clock and no waiting.

Each tenant's requests wait in order of arrival. A tenant's time grows by tokens ÷ weight as its requests are let in;
the tenant with the least time is next. Who comes after a pause starts at the time of the others, so that nobody saves
up, and nobody pays for having been alone.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(slots=True)
class _Tenant(Generic[T]):
    time: float = 0.0
    weight: float = 1.0
    running: dict[T, float] = field(default_factory=dict)  # each with the weight that it was counted by
    waiting: deque[tuple[T, int]] = field(default_factory=deque)


class FairQueue(Generic[T]):
    """Lets at most `slots` run at a time and at most `room` wait."""

    def __init__(self, slots: int, room: int) -> None:
        self.slots, self.room = slots, room
        self.running = 0
        self.waiting = 0
        self.tokens_waiting = 0
        self._tenants: dict[str, _Tenant[T]] = {}
        self._time = 0.0

    @property
    def room_left(self) -> int:
        """How many more may come, to run or to wait."""
        return self.slots + self.room - self.running - self.waiting

    def add(self, tenant: str, weight: float, item: T, tokens: int) -> None:
        """Let `item`, which may take `tokens`, wait behind its tenant's others."""
        entry = self._tenants.get(tenant)
        if entry is None:
            entry = self._tenants[tenant] = _Tenant()
        entry.weight = weight
        if not entry.waiting:
            entry.time = max(entry.time, self._time)
        entry.waiting.append((item, tokens))
        self.waiting += 1
        self.tokens_waiting += tokens

    def next(self) -> T | None:
        """The next that may run, if there is a slot and somebody waits. It runs until `done`."""
        if self.running >= self.slots or not self.waiting:
            return None
        tenant = min((one for one in self._tenants.values() if one.waiting), key=lambda one: one.time)
        item, tokens = tenant.waiting.popleft()
        self._time = tenant.time
        tenant.time += tokens / tenant.weight
        tenant.running[item] = tenant.weight
        self.running += 1
        self.waiting -= 1
        self.tokens_waiting -= tokens
        return item

    def remove(self, tenant: str, item: T) -> None:
        """Forget an item that waits."""
        entry = self._tenants[tenant]
        for waiting in entry.waiting:
            if waiting[0] == item:
                entry.waiting.remove(waiting)
                self.waiting -= 1
                self.tokens_waiting -= waiting[1]
                break
        self._forget(tenant)

    def done(self, tenant: str, item: T, expected: int, used: int) -> None:
        """A running item has ended, and took `used` tokens in place of those that were `expected`."""
        entry = self._tenants[tenant]
        entry.time += (used - expected) / entry.running.pop(item)
        self.running -= 1
        self._forget(tenant)

    def ahead(self, item: T) -> tuple[int, int]:
        """How many requests, and how many tokens, will be let in before `item`, if nobody else comes."""
        times = {name: tenant.time for name, tenant in self._tenants.items() if tenant.waiting}
        places = dict.fromkeys(times, 0)
        count = tokens = 0
        while True:
            name = min(times, key=lambda one: times[one])
            tenant = self._tenants[name]
            other, amount = tenant.waiting[places[name]]
            if other == item:
                return count, tokens
            count, tokens = count + 1, tokens + amount
            times[name] += amount / tenant.weight
            places[name] += 1
            if places[name] == len(tenant.waiting):
                del times[name]

    def _forget(self, tenant: str) -> None:
        """Drop a tenant that has nothing here and owes nothing; when nothing is here at all, nobody owes anything."""
        if not self.running and not self.waiting:
            self._tenants.clear()
            self._time = 0.0
            return
        entry = self._tenants[tenant]
        if not entry.running and not entry.waiting and entry.time <= self._time:
            del self._tenants[tenant]
