"""The tenants with sequences in the engine: their virtual times, and their shares while one of them waits."""

import math
from collections.abc import Iterable, Iterator

from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.tenant_queue import TenantQueue
from forefront.fairness.shares import fair_shares, whole_shares


class Tenants:
    """The queue of each tenant, and the number of all waiting sequences."""

    def __init__(self) -> None:
        self.waiting_count = 0
        self._queues: dict[str, TenantQueue] = {}
        # Virtual times of tenants without sequences, since the engine was last idle.
        self._past_times: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def __iter__(self) -> Iterator[TenantQueue]:
        return iter(self._queues.values())

    def find(self, sequence: Sequence) -> TenantQueue | None:
        """The queue of the sequence's tenant; None if the tenant has no sequences here."""
        return self._queues.get(sequence.request.tenant.name)

    def of(self, sequence: Sequence) -> TenantQueue:
        """The queue of the tenant of a sequence in the engine."""
        return self._queues[sequence.request.tenant.name]

    def any_with(self, count: int) -> bool:
        """Whether a tenant has at least `count` sequences."""
        return any(len(tenant.running) + len(tenant.waiting) >= count for tenant in self._queues.values())

    def queue(self, sequence: Sequence, *, first: bool) -> None:
        """Queue a sequence, after its tenant's other sequences or before them."""
        owner = sequence.request.tenant
        tenant = self._queues.get(owner.name)
        if tenant is None:
            tenant = self._queues[owner.name] = TenantQueue(owner.name, self._past_times.pop(owner.name, 0.0))
        tenant.weight = owner.weight
        if not tenant.waiting:
            # Idle time earns no credit, and use of free capacity is no debt. One token less than the present time, so
            # that a new tenant's first step precedes those of tenants that already wait.
            tenant.virtual_time = max(tenant.virtual_time, self._present_time() - 1 / tenant.weight)
        tenant.waiting[sequence] = None
        if first:
            tenant.waiting.move_to_end(sequence, last=False)
        self.waiting_count += 1

    def dequeue(self, tenant: TenantQueue, sequence: Sequence) -> None:
        """Remove a sequence from its queue."""
        del tenant.waiting[sequence]
        self.waiting_count -= 1

    def forget_idle(self, tenant: TenantQueue) -> None:
        """Remove a tenant without sequences. Its virtual time is kept while other tenants are active."""
        if tenant.running or tenant.waiting:
            return
        del self._queues[tenant.name]
        if self._queues:
            self._past_times[tenant.name] = tenant.virtual_time
        else:
            self._past_times.clear()

    def set_shares(self, slots: int, blocks: int) -> None:
        """Divide `slots` decode slots and `blocks` KV blocks. No bounds for a single tenant, or while none waits."""
        tenants = list(self._queues.values())
        if len(tenants) < 2 or not self.waiting_count:
            for tenant in tenants:
                tenant.slot_share = tenant.block_share = math.inf
            return
        slot_claims = [(tenant.weight, float(len(tenant.running) + len(tenant.waiting))) for tenant in tenants]
        block_claims = [
            (tenant.weight, math.inf if tenant.waiting else tenant.num_blocks + len(tenant.running))
            for tenant in tenants
        ]
        for tenant, slot_share in zip(tenants, whole_shares(slots, slot_claims), strict=True):
            tenant.slot_share = slot_share
        for tenant, block_share in zip(tenants, fair_shares(blocks, block_claims), strict=True):
            tenant.block_share = block_share

    def least_served(self, prefills: Iterable[Sequence]) -> set[str]:
        """The tenants that take part in a step with these prompts while one tenant waits. The first is the one with the
        least virtual time among those with a prompt. Tenants with more virtual time skip the step if they run more
        sequences for their weight, so that a new tenant's first token takes a small step without all decodes."""
        first = min((self.of(sequence) for sequence in prefills), key=lambda tenant: tenant.virtual_time)
        load = len(first.running) / first.weight
        return {
            tenant.name
            for tenant in self._queues.values()
            if tenant.virtual_time <= first.virtual_time or len(tenant.running) / tenant.weight <= load
        }

    def _present_time(self) -> float:
        """The present virtual time."""
        if len(self._queues) == 1:
            return 0.0
        times = [tenant.virtual_time for tenant in self._queues.values() if tenant.waiting]
        return min(times) if times else max(tenant.virtual_time for tenant in self._queues.values())
