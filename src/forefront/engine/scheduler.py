"""Which tokens run next: pure decisions over sequences and blocks, with no clock, no model and no I/O.

Tenants share the engine by weight. While only one has sequences, it may use everything. While several do and one
waits, each has a part of the decode slots, of the KV blocks and of the prompt tokens of a step (`fairness/shares.py`).
A tenant within its part is served at the expense of tenants beyond theirs; what remains goes to the tenant with the
least virtual time, as in start-time fair queueing (Goyal, Vin and Cheng, 1996).
"""

import math
from dataclasses import dataclass

from forefront.engine.blocks import BlockPool, extend_keys
from forefront.engine.prefill import divide_prefill
from forefront.engine.sequence import Sequence
from forefront.engine.tenant_queue import TenantQueue
from forefront.fairness.shares import fair_shares, whole_shares
from forefront.fairness.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one step may hold.

    `running`: sequences that hold blocks. `prefill`: prompt tokens per step when nothing decodes;
    `prefill_beside_decodes` when something does, which bounds how long a new prompt can delay everybody's next token.
    """

    running: int = 64
    prefill: int = 256
    prefill_beside_decodes: int = 64


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` tokens of a sequence to compute, from its `computed` on."""

    sequence: Sequence
    length: int

    @property
    def samples(self) -> bool:
        """Whether the chunk reaches the last known token, so that the next one can be sampled."""
        return self.length == self.sequence.remaining


class Scheduler:
    """Decodes first, one token each; then prompts, in chunks that share what is left of the step.

    A tenant's sequences are admitted in order of arrival as soon as their whole prompt has blocks. When a decode needs
    a block and none is left, the youngest sequence of the tenant that holds the most for its weight gives up its
    blocks and is computed again later.
    """

    def __init__(self, pool: BlockPool, limits: Limits) -> None:
        self.pool, self.limits = pool, limits
        self.running: list[Sequence] = []  # oldest first
        self.waiting_count = 0
        self.preemptions = 0
        self._tenants: dict[str, TenantQueue] = {}
        self._times: dict[str, float] = {}  # virtual times of tenants that have left since the engine was last idle
        self._preempted: set[Sequence] = set()  # in the present step

    @property
    def waiting(self) -> list[Sequence]:
        """The waiting sequences, tenant by tenant, in order of admission. Linear in their number."""
        return [sequence for tenant in self._tenants.values() for sequence in tenant.waiting]

    def add(self, sequence: Sequence) -> None:
        """Queue a new sequence."""
        self._queue(sequence, first=False)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, finished or cancelled, and give its blocks back. Does nothing for an unknown one."""
        tenant = self._tenants.get(sequence.request.tenant.name)
        if tenant is None:
            return
        if sequence.blocks:
            self._stop(tenant, sequence)
        elif sequence in tenant.waiting:
            self._dequeue(tenant, sequence)
        if not tenant.running and not tenant.waiting:
            self._forget(tenant)

    def suspend(self, sequence: Sequence) -> None:
        """Take a sequence out until `resume`. It keeps its tokens and gives its blocks back."""
        self.remove(sequence)
        sequence.computed = 0

    def resume(self, sequence: Sequence) -> None:
        """Queue a suspended sequence before its tenant's others."""
        self._queue(sequence, first=True)

    def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """How many tokens of a prompt a new sequence would find in the cache."""
        keys: list[bytes] = []
        # At least one token is always computed, for its logits.
        extend_keys(keys, prompt, len(prompt) - 1, self.pool.size, tenant.salt)
        return len(self.pool.find(keys)) * self.pool.size

    def schedule(self) -> list[Chunk]:
        """The next step: at most one chunk per sequence. Empty when there is nothing to do, or when the only sequence
        was found wholly cached; it decodes in the next step."""
        self._preempted.clear()
        decodes = self._decodes()
        if len(self._tenants) > 1 and self.waiting_count:
            self._admit_by_share()
        else:
            self._admit_in_order()
        if self._preempted:
            decodes = [chunk for chunk in decodes if chunk.sequence not in self._preempted]
        prefills = [sequence for sequence in self.running if sequence.remaining > 1 or not sequence.computed]
        if prefills and self.waiting_count and len(self._tenants) > 1:
            decodes, prefills = self._least_served(decodes, prefills)
        budget = self.limits.prefill_beside_decodes if decodes else self.limits.prefill
        shares = divide_prefill(prefills, budget, self._tenants)
        return decodes + [Chunk(sequence, length) for sequence, length in shares]

    def computed(self, chunks: list[Chunk]) -> None:
        """Record that the chunks have run: their tokens are in the cache, and full blocks can be found by others."""
        size = self.pool.size
        for chunk in chunks:
            sequence = chunk.sequence
            start = sequence.computed
            end = sequence.computed = start + chunk.length
            # Tokens that are computed again after a preemption are not charged again.
            if end > sequence.charged:
                tenant = self._owner(sequence)
                tenant.time += (end - max(start, sequence.charged)) / tenant.weight
                sequence.charged = end
            if end // size > start // size:
                sequence.extend_keys(size, end)
                for index in range(start // size, end // size):
                    self.pool.register(sequence.blocks[index], sequence.keys[index])

    def fork(self, sequence: Sequence, follower: Sequence) -> tuple[int, int] | None:
        """Let `follower`, whose prompt is `sequence`'s and just computed, run on the same blocks.

        Full blocks are shared; a partly filled last one is returned as (from, to) to be copied before it is written
        to, and (0, 0) says that there is none. None: no room now, or none within the tenant's part while another
        waits. The follower was queued and computes for itself.
        """
        tenant = self._owner(sequence)
        shared = sequence.prompt_length // self.pool.size
        partial = sequence.blocks[shared:]
        own = self.pool.allocate(len(partial)) if self._may_fork(tenant, len(partial)) else None
        if own is None:
            self._queue(follower, first=True)
            return None
        self.pool.share(sequence.blocks[:shared])
        tenant.blocks += len(own)
        follower.blocks = sequence.blocks[:shared] + own
        follower.keys = list(sequence.keys)
        follower.computed = follower.charged = sequence.prompt_length
        follower.begin()
        for running in (self.running, tenant.running):
            running.insert(running.index(sequence) + 1, follower)
        return (partial[0], own[0]) if partial else (0, 0)

    def _may_fork(self, tenant: TenantQueue, blocks: int) -> bool:
        if len(self.running) >= self.limits.running:
            return False
        if self.waiting_count == len(tenant.waiting):
            return True
        return len(tenant.running) < tenant.slots and tenant.blocks + blocks <= tenant.block_share

    def _decodes(self) -> list[Chunk]:
        chunks = []
        for sequence in list(self.running):
            # Preempted by another in this very loop.
            if not sequence.blocks or sequence.remaining != 1 or not sequence.computed:
                continue
            if self._grow(sequence):
                chunks.append(Chunk(sequence, 1))
        return chunks

    def _grow(self, sequence: Sequence) -> bool:
        """Make sure that there is a block for the next token, at the expense of younger sequences or of a tenant that
        holds more for its weight."""
        if sequence.computed < len(sequence.blocks) * self.pool.size:
            return True
        tenant = self._owner(sequence)
        while (blocks := self.pool.allocate(1)) is None:
            givers = [other for other in self._tenants.values() if other is tenant or other.yields_to(tenant)]
            youngest = max(givers, key=lambda other: other.blocks / other.weight).running[-1]
            self._preempt(youngest)
            if youngest is sequence:
                return False
        sequence.blocks += blocks
        tenant.blocks += 1
        return True

    def _admit_in_order(self) -> None:
        for tenant in self._tenants.values():
            tenant.slots = tenant.block_share = math.inf
            while tenant.waiting and len(self.running) < self.limits.running:
                if not self._start(tenant, tenant.head):
                    break

    def _admit_by_share(self) -> None:
        """Tenants within their parts first, if need be by preemption; then, while there is room, by virtual time."""
        self._set_shares()
        waiting = [tenant for tenant in self._tenants.values() if tenant.waiting]
        reserved = self._reserved(waiting)
        limit = math.inf if reserved is None else reserved.finish_time(reserved.head)
        while waiting:
            tenant = min(waiting, key=lambda one: (not self._within_share(one), one.time))
            beyond = not self._within_share(tenant)
            if beyond and len(self.running) >= self.limits.running:
                return
            # What this step has preempted stays out of it, or it would be preempted again; unless nothing runs at all.
            back = tenant.head in self._preempted and bool(self.running)
            allowed = (tenant is reserved or tenant.time < limit) and not back
            if allowed and (self._start(tenant, tenant.head) if beyond else self._make_room(tenant)):
                if tenant.waiting:
                    continue
            elif allowed and not beyond:
                # What it has freed must not go to those that it was taken from.
                waiting = [one for one in waiting if self._within_share(one)]
            waiting = [one for one in waiting if one is not tenant]

    def _least_served(self, decodes: list[Chunk], prefills: list[Sequence]) -> tuple[list[Chunk], list[Sequence]]:
        """The part of a step that is run while a tenant waits. If a tenant with little virtual time has a prompt to
        compute, those with more of it sit out that run more sequences for their weight. A newcomer's first token then
        costs a small step, not one with everybody's decodes."""
        first = min((self._owner(sequence) for sequence in prefills), key=lambda tenant: tenant.time)
        runs = len(first.running) / first.weight
        kept = {
            name
            for name, tenant in self._tenants.items()
            if tenant.time <= first.time or len(tenant.running) / tenant.weight <= runs
        }
        return (
            [chunk for chunk in decodes if chunk.sequence.request.tenant.name in kept],
            [sequence for sequence in prefills if sequence.request.tenant.name in kept],
        )

    def _owner(self, sequence: Sequence) -> TenantQueue:
        return self._tenants[sequence.request.tenant.name]

    def _set_shares(self) -> None:
        tenants = list(self._tenants.values())
        slots = [(one.weight, float(len(one.running) + len(one.waiting))) for one in tenants]
        blocks = [(one.weight, math.inf if one.waiting else one.blocks + len(one.running)) for one in tenants]
        for tenant, share in zip(tenants, whole_shares(self.limits.running, slots), strict=True):
            tenant.slots = share
        for tenant, part in zip(tenants, fair_shares(self.pool.count, blocks), strict=True):
            tenant.block_share = part

    def _within_share(self, tenant: TenantQueue) -> bool:
        """Whether the tenant's next sequence fits into its part of slots and blocks."""
        if len(tenant.running) >= tenant.slots:
            return False
        return tenant.blocks + self._blocks_for(tenant.head) <= tenant.block_share

    def _reserved(self, waiting: list[TenantQueue]) -> TenantQueue | None:
        """The tenant, if any, that runs nothing because its next sequence is beyond its part. Others are admitted
        before it only until their virtual time has reached that sequence's finish time, so that it does not starve."""
        stuck = [tenant for tenant in waiting if not tenant.running and not self._within_share(tenant)]
        return min(stuck, key=lambda tenant: tenant.finish_time(tenant.head), default=None)

    def _make_room(self, tenant: TenantQueue) -> bool:
        """Start the next sequence of a tenant within its part, and preempt those of tenants beyond theirs for it."""
        while True:
            if full := len(self.running) >= self.limits.running:
                givers = [other for other in self._tenants.values() if len(other.running) > other.slots]
            elif self._start(tenant, tenant.head):
                return True
            else:
                givers = [other for other in self._tenants.values() if other.blocks > other.block_share]
            givers = [other for other in givers if other is not tenant and other.yields_to(tenant)]
            if not givers:
                return False
            most = max(givers, key=lambda other: (len(other.running) if full else other.blocks) / other.weight)
            self._preempt(most.running[-1])

    def _preempt(self, sequence: Sequence) -> None:
        self._stop(self._owner(sequence), sequence)
        sequence.computed = 0
        self._queue(sequence, first=True)
        self._preempted.add(sequence)
        self.preemptions += 1

    def _start(self, tenant: TenantQueue, sequence: Sequence) -> bool:
        """Give a waiting sequence blocks for all its known tokens, those of a cached prefix first."""
        size = self.pool.size
        length = len(sequence.tokens)
        # At least one token is always computed, for its logits.
        sequence.extend_keys(size, length - 1)
        # A prompt whose tokens are to be scored is computed whole.
        found = self.pool.find(sequence.keys[: (length - 1) // size]) if not sequence.to_score(length) else []
        held = self.pool.held
        self.pool.share(found)
        # One spare block for each running sequence, so that admitting this one does not at once preempt it again.
        needed = self._blocks_for(sequence) - len(found)
        own = self.pool.allocate(needed) if needed + len(self.running) <= self.pool.available else None
        if own is None:
            self.pool.release(found)
            return False
        tenant.blocks += self.pool.held - held
        sequence.blocks = found + own
        sequence.computed = len(found) * size
        if not sequence.started:
            sequence.begin()
            if sequence.index == 0:
                sequence.generation.cached_tokens = sequence.computed
        self._dequeue(tenant, sequence)
        self.running.append(sequence)
        tenant.running.append(sequence)
        return True

    def _blocks_for(self, sequence: Sequence) -> int:
        return -(-len(sequence.tokens) // self.pool.size)

    def _stop(self, tenant: TenantQueue, sequence: Sequence) -> None:
        self.running.remove(sequence)
        tenant.running.remove(sequence)
        held = self.pool.held
        self.pool.release(sequence.blocks)
        tenant.blocks -= held - self.pool.held
        sequence.blocks = []

    def _queue(self, sequence: Sequence, *, first: bool) -> None:
        owner = sequence.request.tenant
        tenant = self._tenants.get(owner.name)
        if tenant is None:
            tenant = self._tenants[owner.name] = TenantQueue(owner.name, self._times.pop(owner.name, 0.0))
        tenant.weight = owner.weight
        if not tenant.waiting:
            # Time without demand is no claim for later, and use of what was free is no debt. One token ahead of those
            # that have waited since before: a newcomer's first step comes first.
            tenant.time = max(tenant.time, self._time() - 1 / tenant.weight)
        tenant.waiting[sequence] = None
        if first:
            tenant.waiting.move_to_end(sequence, last=False)
        self.waiting_count += 1

    def _dequeue(self, tenant: TenantQueue, sequence: Sequence) -> None:
        del tenant.waiting[sequence]
        self.waiting_count -= 1

    def _time(self) -> float:
        """The present virtual time."""
        if len(self._tenants) == 1:
            return 0.0
        times = [tenant.time for tenant in self._tenants.values() if tenant.waiting]
        return min(times) if times else max(tenant.time for tenant in self._tenants.values())

    def _forget(self, tenant: TenantQueue) -> None:
        del self._tenants[tenant.name]
        if self._tenants:
            self._times[tenant.name] = tenant.time
        else:
            self._times.clear()
