"""Weighted fair queueing, in tokens. Pure decisions, with no clock and no waiting.

Each tenant's items wait in order of arrival. A tenant's virtual time grows by tokens ÷ weight as its items start. The
tenant with the least time is next. A tenant that returns after a pause starts at the time of the others: a pause earns
no credit, and use of free slots is no debt.

A running item keeps its slot until it is done. So that a tenant which filled the slots with long items does not keep
the others waiting, up to `extra` items more may run, of tenants that run fewer than their weighted share of the slots.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(slots=True)
class _Tenant(Generic[T]):
    time: float = 0.0
    weight: float = 1.0
    running: dict[T, float] = field(default_factory=dict)  # each with the weight that it was counted by
    waiting: dict[T, int] = field(default_factory=dict)  # the tokens of each, in order of arrival


class FairQueue(Generic[T]):
    """Lets at most `slots` run at a time, `most` of them of one tenant (None: all), and `extra` more of tenants below
    their share. `room` is for those that wait."""

    def __init__(self, slots: int, room: int, extra: int = 0, most: int | None = None) -> None:
        self.slots, self.room, self.extra = slots, room, extra
        self._most = slots + extra if most is None else most
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
        entry.waiting[item] = tokens
        self.waiting += 1
        self.tokens_waiting += tokens

    def held(self, tenant: str) -> int:
        """How many items of the tenant run or wait."""
        entry = self._tenants.get(tenant)
        return 0 if entry is None else len(entry.running) + len(entry.waiting)

    def next(self) -> T | None:
        """The next that may run, if there is a slot for one that waits. It runs until `done`."""
        tenant = self._next_tenant()
        if tenant is None:
            return None
        item = next(iter(tenant.waiting))
        tokens = tenant.waiting.pop(item)
        self._time = max(self._time, tenant.time)  # a tenant that was at `most` comes back with an earlier time
        tenant.time += tokens / tenant.weight
        tenant.running[item] = tenant.weight
        self.running += 1
        self.waiting -= 1
        self.tokens_waiting -= tokens
        return item

    def remove(self, tenant: str, item: T) -> None:
        """Forget an item that waits."""
        tokens = self._tenants[tenant].waiting.pop(item, None)
        if tokens is not None:
            self.waiting -= 1
            self.tokens_waiting -= tokens
        self._forget(tenant)

    def done(self, tenant: str, item: T, expected: int, used: int) -> None:
        """A running item has ended, and took `used` tokens in place of those that were `expected`."""
        entry = self._tenants[tenant]
        entry.time += (used - expected) / entry.running.pop(item)
        self.running -= 1
        self._forget(tenant)

    def ahead(self, item: T) -> tuple[int, int]:
        """How many waiting items, and how many tokens, will be let in before `item`, if nothing else comes."""
        own = next(tenant for tenant in self._tenants.values() if item in tenant.waiting)
        return self._before(own, list(takewhile(lambda other: other != item, own.waiting)))

    def ahead_of_next(self, tenant: str, weight: float) -> tuple[int, int]:
        """The same for an item that the tenant added now."""
        own = self._tenants.get(tenant)
        if own is None:
            own = _Tenant(weight=weight)
        if self._admissible(own, [*(one for one in self._tenants.values() if one is not own), own]) and not own.waiting:
            return 0, 0
        return self._before(own, list(own.waiting))

    def _before(self, own: _Tenant[T], items: list[T]) -> tuple[int, int]:
        """How many items, and how many tokens, will be let in before one of `own` that comes behind `items`."""
        count, tokens = len(items), sum(own.waiting[item] for item in items)
        start = (own.time if own.waiting else max(own.time, self._time)) + tokens / own.weight
        passed = False
        for tenant in self._tenants.values():
            if tenant is own:
                passed = True
                continue
            time = tenant.time
            for amount in tenant.waiting.values():
                # Of equal times the first tenant comes first, as in `next`.
                if time > start or (time == start and passed):
                    break
                count, tokens = count + 1, tokens + amount
                time += amount / tenant.weight
        return count, tokens

    def _next_tenant(self) -> _Tenant[T] | None:
        if not self.waiting or self.running >= self.slots + self.extra:
            return None
        active = list(self._tenants.values())
        admissible = [tenant for tenant in active if tenant.waiting and self._admissible(tenant, active)]
        return min(admissible, key=lambda tenant: tenant.time, default=None)

    def _admissible(self, tenant: _Tenant[T], active: Sequence[_Tenant[T]]) -> bool:
        """Whether one more item of the tenant may run, in a slot or beyond them."""
        if len(tenant.running) >= self._most:
            return False
        if self.running < self.slots:
            return True
        if self.running >= self.slots + self.extra:
            return False
        weights = sum(one.weight for one in active if one.waiting or one.running or one is tenant)
        share = self.slots * tenant.weight / weights
        return not tenant.running or len(tenant.running) + 1 <= share

    def _forget(self, tenant: str) -> None:
        """Drop a tenant without items whose time is past. An empty queue starts again at time 0."""
        if not self.running and not self.waiting:
            self._tenants.clear()
            self._time = 0.0
            return
        entry = self._tenants[tenant]
        if not entry.running and not entry.waiting and entry.time <= self._time:
            del self._tenants[tenant]
