"""Weighted fair queueing, in tokens. Pure decisions, with no clock and no waiting.

Each tenant's items wait in order of arrival. A tenant's virtual time grows by tokens ÷ weight as its items start. The
tenant with the least time is next. A tenant that returns after a pause starts at the time of the others: a pause earns
no credit, and use of free slots is no debt.

A running item keeps its slot until it is finished. When one tenant fills the slots with long items, up to `extra_slots`
more items run, of tenants below their weighted share of the slots.
"""

from collections import OrderedDict
from collections.abc import Hashable
from itertools import takewhile
from operator import attrgetter
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T", bound=Hashable)


class _Tenant(msgspec.Struct, Generic[T]):
    time: float = 0.0
    weight: float = 1.0
    running: dict[T, float] = msgspec.field(default_factory=dict)  # the weight by which each item was charged
    # The tokens of each item, in order of arrival. A `dict` would search for its first key past all removed ones.
    waiting: OrderedDict[T, int] = msgspec.field(default_factory=OrderedDict)


class FairQueue(Generic[T]):
    """At most `slots` items run at a time, `max_per_tenant` of one tenant (None: no limit), and `extra_slots` more of
    tenants below their share. At most `max_waiting` items wait."""

    def __init__(self, slots: int, max_waiting: int, extra_slots: int = 0, max_per_tenant: int | None = None) -> None:
        self.slots, self.max_waiting, self.extra_slots = slots, max_waiting, extra_slots
        self._max_per_tenant = slots + extra_slots if max_per_tenant is None else max_per_tenant
        self.running = 0
        self.waiting = 0
        self.tokens_waiting = 0
        self._tenants: dict[str, _Tenant[T]] = {}
        self._time = 0.0

    def resize(self, slots: int, max_waiting: int, extra_slots: int) -> None:
        """Change the bounds. Items beyond them run or wait on."""
        if self._max_per_tenant == self.slots + self.extra_slots:
            self._max_per_tenant = slots + extra_slots
        self.slots, self.max_waiting, self.extra_slots = slots, max_waiting, extra_slots

    @property
    def free_places(self) -> int:
        """The number of items that can be added, to run or to wait."""
        return self.slots + self.max_waiting - self.running - self.waiting

    def add(self, tenant: str, weight: float, item: T, tokens: int) -> None:
        """Queue `item`, of at most `tokens`, after the other items of its tenant."""
        entry = self._tenants.get(tenant)
        if entry is None:
            entry = self._tenants[tenant] = _Tenant()
        entry.weight = weight
        if not entry.waiting:
            entry.time = max(entry.time, self._time)
        entry.waiting[item] = tokens
        self.waiting += 1
        self.tokens_waiting += tokens

    def held(self, tenant: str) -> int:
        """The number of items of the tenant, running and waiting."""
        entry = self._tenants.get(tenant)
        return 0 if entry is None else len(entry.running) + len(entry.waiting)

    def waiting_tenants(self) -> set[str]:
        """The tenants with waiting items."""
        return {name for name, entry in self._tenants.items() if entry.waiting}

    def start_next(self) -> T | None:
        """Start the next item, if one waits and has a slot. It runs until `finish`."""
        tenant = self._next_tenant()
        if tenant is None:
            return None
        item = next(iter(tenant.waiting))
        tokens = tenant.waiting.pop(item)
        self._time = max(self._time, tenant.time)  # a tenant that was at its maximum has an earlier time
        tenant.time += tokens / tenant.weight
        tenant.running[item] = tenant.weight
        self.running += 1
        self.waiting -= 1
        self.tokens_waiting -= tokens
        return item

    def remove(self, tenant: str, item: T) -> None:
        """Remove an item if it waits."""
        if tenant not in self._tenants:
            return
        tokens = self._tenants[tenant].waiting.pop(item, None)
        if tokens is not None:
            self.waiting -= 1
            self.tokens_waiting -= tokens
        self._forget(tenant)

    def finish(self, tenant: str, item: T, expected: int, used: int) -> None:
        """End a running item that took `used` tokens instead of the `expected` ones."""
        entry = self._tenants[tenant]
        entry.time += (used - expected) / entry.running.pop(item)
        self.running -= 1
        self._forget(tenant)

    def ahead(self, item: T) -> tuple[int, int]:
        """The waiting items, and their tokens, that start before `item` if no other is added."""
        tenant = next(tenant for tenant in self._tenants.values() if item in tenant.waiting)
        return self._before(tenant, list(takewhile(lambda other: other != item, tenant.waiting)))

    def ahead_of_next(self, tenant: str, weight: float) -> tuple[int, int]:
        """The same for an item that the tenant would add now."""
        entry = self._tenants.get(tenant)
        if entry is None:
            entry = _Tenant(weight=weight)
        busy_weight = self._busy_weight() + (0.0 if entry.waiting or entry.running else entry.weight)
        if self._admissible(entry, busy_weight) and not entry.waiting:
            return 0, 0
        return self._before(entry, list(entry.waiting))

    def _before(self, entry: _Tenant[T], items: list[T]) -> tuple[int, int]:
        """The items, and their tokens, that start before an item of `entry` that is queued after `items`."""
        count, tokens = len(items), sum(entry.waiting[item] for item in items)
        start = (entry.time if entry.waiting else max(entry.time, self._time)) + tokens / entry.weight
        passed = False
        for tenant in self._tenants.values():
            if tenant is entry:
                passed = True
                continue
            time = tenant.time
            for amount in tenant.waiting.values():
                # Among equal times the first tenant starts first, as in `start_next`.
                if time > start or (time == start and passed):
                    break
                count, tokens = count + 1, tokens + amount
                time += amount / tenant.weight
        return count, tokens

    def _next_tenant(self) -> _Tenant[T] | None:
        if not self.waiting or self.running >= self.slots + self.extra_slots:
            return None
        # The share of a tenant matters only where no slot is free.
        busy_weight = self._busy_weight() if self.running >= self.slots else 0.0
        waiting = [tenant for tenant in self._tenants.values() if tenant.waiting]
        admissible = [tenant for tenant in waiting if self._admissible(tenant, busy_weight)]
        return min(admissible, key=attrgetter("time"), default=None)

    def _busy_weight(self) -> float:
        """The weights of all tenants with items together."""
        return sum(tenant.weight for tenant in self._tenants.values() if tenant.waiting or tenant.running)

    def _admissible(self, tenant: _Tenant[T], busy_weight: float) -> bool:
        """Whether one more item of the tenant, one of those with the `busy_weight`, may run, in a slot or an extra
        slot."""
        if len(tenant.running) >= self._max_per_tenant:
            return False
        if self.running < self.slots:
            return True
        if self.running >= self.slots + self.extra_slots:
            return False
        return not tenant.running or len(tenant.running) + 1 <= self.slots * tenant.weight / busy_weight

    def _forget(self, tenant: str) -> None:
        """Drop a tenant without items whose time is past. An empty queue restarts at time 0."""
        if not self.running and not self.waiting:
            self._tenants.clear()
            self._time = 0.0
            return
        entry = self._tenants[tenant]
        if not entry.running and not entry.waiting and entry.time <= self._time:
            del self._tenants[tenant]
