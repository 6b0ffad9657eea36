"""The tenants that have sequences in the engine: their virtual time, and their parts while one of them waits."""

import math
from collections.abc import Iterable, Iterator

from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.tenant_queue import TenantQueue
from forefront.fairness.shares import fair_shares, whole_shares


class Tenants:
    """Each tenant's queue, and the number of all waiting sequences."""

    def __init__(self) -> None:
        self.waiting_count = 0
        self._queues: dict[str, TenantQueue] = {}
        self._times: dict[str, float] = {}  # virtual times of tenants that have left since the engine was last idle

    def __len__(self) -> int:
        return len(self._queues)

    def __iter__(self) -> Iterator[TenantQueue]:
        return iter(self._queues.values())

    def find(self, sequence: Sequence) -> TenantQueue | None:
        """The queue of the sequence's tenant, if that has any sequence here."""
        return self._queues.get(sequence.request.tenant.name)

    def of(self, sequence: Sequence) -> TenantQueue:
        """The queue of a sequence that is here."""
        return self._queues[sequence.request.tenant.name]

    def queue(self, sequence: Sequence, *, first: bool) -> None:
        """Let a sequence wait, behind its tenant's others or before them."""
        owner = sequence.request.tenant
        tenant = self._queues.get(owner.name)
        if tenant is None:
            tenant = self._queues[owner.name] = TenantQueue(owner.name, self._times.pop(owner.name, 0.0))
        tenant.weight = owner.weight
        if not tenant.waiting:
            # Time without demand is no claim for later, and use of what was free is no debt. One token ahead of those
            # that have waited since before: a newcomer's first step comes first.
            tenant.time = max(tenant.time, self._time() - 1 / tenant.weight)
        tenant.waiting[sequence] = None
        if first:
            tenant.waiting.move_to_end(sequence, last=False)
        self.waiting_count += 1

    def dequeue(self, tenant: TenantQueue, sequence: Sequence) -> None:
        """A sequence waits no more."""
        del tenant.waiting[sequence]
        self.waiting_count -= 1

    def forget_idle(self, tenant: TenantQueue) -> None:
        """Forget a tenant that has no sequence left, but not what it has used while others are here."""
        if tenant.running or tenant.waiting:
            return
        del self._queues[tenant.name]
        if self._queues:
            self._times[tenant.name] = tenant.time
        else:
            self._times.clear()

    def set_shares(self, slots: int, blocks: int) -> None:
        """Divide so many decode slots and KV blocks. One tenant, or several of which none waits, have no bounds."""
        tenants = list(self._queues.values())
        if len(tenants) < 2 or not self.waiting_count:
            for tenant in tenants:
                tenant.slots = tenant.block_share = math.inf
            return
        slot_claims = [(one.weight, float(len(one.running) + len(one.waiting))) for one in tenants]
        block_claims = [(one.weight, math.inf if one.waiting else one.blocks + len(one.running)) for one in tenants]
        for tenant, share in zip(tenants, whole_shares(slots, slot_claims), strict=True):
            tenant.slots = share
        for tenant, part in zip(tenants, fair_shares(blocks, block_claims), strict=True):
            tenant.block_share = part

    def least_served(self, prefills: Iterable[Sequence]) -> set[str]:
        """The tenants that run in a step with these prompts while one waits. Those with more virtual time than the
        least that has a prompt to compute sit out, if they run more sequences for their weight. A newcomer's first
        token then costs a small step, not one with all decodes."""
        first = min((self.of(sequence) for sequence in prefills), key=lambda tenant: tenant.time)
        runs = len(first.running) / first.weight
        return {
            tenant.name
            for tenant in self._queues.values()
            if tenant.time <= first.time or len(tenant.running) / tenant.weight <= runs
        }

    def _time(self) -> float:
        """The present virtual time."""
        if len(self._queues) == 1:
            return 0.0
        times = [tenant.time for tenant in self._queues.values() if tenant.waiting]
        return min(times) if times else max(tenant.time for tenant in self._queues.values())
