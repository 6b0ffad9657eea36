"""Admission of waiting sequences, and preemption of running ones for them."""

from itertools import islice
from typing import Final

from forefront.engine.scheduling.running_set import RunningSet
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.tenant_queue import TenantQueue
from forefront.engine.scheduling.tenants import Tenants

# Bounds of the comparison of a tenant's waiting sequences: their number, their compared first tokens, and how often in
# a row the oldest is overtaken. Hashing takes 4 µs per block, so a step hashes no more tokens for the comparison.
_CONSIDERED: Final = 8
_COMPARED: Final = 4096


class Admission:
    """Tenants within their shares are served first, if need be by preemption of tenants beyond theirs. What remains
    is divided by virtual time, as in start-time fair queueing (Goyal, Vin and Cheng, 1996)."""

    def __init__(self, running: RunningSet, tenants: Tenants) -> None:
        self._running, self._tenants = running, tenants

    def admit(self) -> None:
        """Start waiting sequences while their known tokens have blocks: within a tenant in order of arrival, but those
        with more cached tokens first."""
        self._tenants.set_shares(self._running.max_running, self._running.pool.count)
        order = sorted((tenant for tenant in self._tenants if tenant.waiting), key=lambda tenant: tenant.virtual_time)
        if len(self._tenants) > 1:
            order = self._unblocked(order)
            if not self._admit_within_shares(order):
                return
        for tenant in order:
            while tenant.waiting and not self._running.full and self._may_restart(self._prefer_cached(tenant)):
                if not self._running.start(tenant, tenant.head):
                    break

    def _admit_within_shares(self, order: list[TenantQueue]) -> bool:
        """False if preemption did not make enough room for a sequence. The room must then not return to the preempted
        sequences."""
        complete = True
        for tenant in order:
            while tenant.waiting and self._may_restart(self._prefer_cached(tenant)) and self._within_share(tenant):
                if not self._make_room(tenant):
                    complete = False
                    break
        return complete

    def _prefer_cached(self, tenant: TenantQueue) -> Sequence:
        """The tenant's next sequence: of the first few, the one with the most cached tokens, because its cached blocks
        may be evicted while it waits. The oldest is overtaken a few times in a row at most."""
        oldest = tenant.head
        if len(tenant.waiting) < 2 or oldest.started or oldest is tenant.preferred:
            return oldest
        size, pool = self._running.pool.block_size, self._running.pool
        best, most_cached = oldest, -1
        for sequence in islice(tenant.waiting, _CONSIDERED if tenant.num_passed < _CONSIDERED else 1):
            end = min(len(sequence.tokens) - 1, _COMPARED)
            sequence.extend_block_hashes(size, end)
            cached = len(pool.match_prefix(sequence.block_hashes[: end // size]))
            if cached > most_cached:
                best, most_cached = sequence, cached
        tenant.num_passed = 0 if best is oldest else tenant.num_passed + 1
        tenant.waiting.move_to_end(best, last=False)
        tenant.preferred = best
        return best

    def _unblocked(self, order: list[TenantQueue]) -> list[TenantQueue]:
        """The waiting tenants whose next sequence may be admitted now. A tenant without running sequences whose next
        sequence exceeds its share must not starve. Others are therefore admitted before it only until their virtual
        time reaches the finish time of that sequence."""
        blocked = [tenant for tenant in order if not tenant.running and not self._within_share(tenant)]
        first = min(blocked, key=lambda tenant: tenant.finish_time(tenant.head), default=None)
        if first is None:
            return order
        limit = first.finish_time(first.head)
        return [tenant for tenant in order if tenant is first or tenant.virtual_time < limit]

    def _may_restart(self, sequence: Sequence) -> bool:
        """Whether a sequence that was preempted in this step may restart: only if no other tenant loses room by it."""
        return sequence not in self._running.preempted or not self._running.sequences or len(self._tenants) == 1

    def _within_share(self, tenant: TenantQueue) -> bool:
        """Whether the tenant's next sequence fits into its share of slots and blocks."""
        if len(tenant.running) >= tenant.slot_share:
            return False
        return tenant.num_blocks + self._running.num_blocks_for(tenant.head) <= tenant.block_share

    def _make_room(self, tenant: TenantQueue) -> bool:
        """Start the next sequence of a tenant within its share, preempting sequences of tenants beyond theirs."""
        while True:
            if full := self._running.full:
                givers = [other for other in self._tenants if len(other.running) > other.slot_share]
            elif self._running.start(tenant, tenant.head):
                return True
            else:
                givers = [other for other in self._tenants if other.num_blocks > other.block_share]
            givers = [other for other in givers if other is not tenant and other.yields_to(tenant)]
            if not givers:
                return False
            giver = max(givers, key=lambda other: (len(other.running) if full else other.num_blocks) / other.weight)
            self._running.preempt(giver.running[-1])
