"""Which tokens run next: pure decisions over sequences and blocks, with no clock, no model and no I/O.

Tenants share the engine by weight. While only one has sequences, it may use everything. While several do and one
waits, each has a part of the decode slots, of the KV blocks and of the prompt tokens of a step (`fairness/shares.py`).
A tenant within its part is served at the expense of tenants beyond theirs; what remains goes to the tenant with the
least virtual time, as in start-time fair queueing (Goyal, Vin and Cheng, 1996).
"""

from dataclasses import dataclass

from forefront.engine.scheduling.block_pool import BlockPool, extend_keys
from forefront.engine.scheduling.prefill import divide_prefill
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.tenant_queue import TenantQueue
from forefront.engine.scheduling.tenants import Tenants
from forefront.fairness.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one step may hold.

    `running`: sequences that hold blocks. `prefill`: prompt tokens per step when nothing decodes;
    `prefill_beside_decodes` when something does, which bounds how long a new prompt can delay everybody's next token;
    `scored` when a prompt's tokens are scored, since each of them has a row of logits then.
    """

    running: int = 64
    prefill: int = 256
    prefill_beside_decodes: int = 64
    scored: int = 256


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
        self.preemptions = 0
        self._tenants = Tenants()
        self._preempted: set[Sequence] = set()  # in the present step

    @property
    def waiting(self) -> list[Sequence]:
        """The waiting sequences, tenant by tenant, in order of admission. Linear in their number."""
        return [sequence for tenant in self._tenants for sequence in tenant.waiting]

    @property
    def waiting_count(self) -> int:
        """The number of waiting sequences."""
        return self._tenants.waiting_count

    def add(self, sequence: Sequence) -> None:
        """Queue a new sequence."""
        self._tenants.queue(sequence, first=False)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, finished or cancelled, and give its blocks back. Does nothing for an unknown one."""
        tenant = self._tenants.find(sequence)
        if tenant is None:
            return
        if sequence.blocks:
            self._stop(tenant, sequence)
        elif sequence in tenant.waiting:
            self._tenants.dequeue(tenant, sequence)
        self._tenants.forget_idle(tenant)

    def suspend(self, sequence: Sequence) -> None:
        """Take a sequence out until `resume`. It keeps its tokens and gives its blocks back."""
        self.remove(sequence)
        sequence.computed = 0

    def resume(self, sequence: Sequence) -> None:
        """Queue a suspended sequence before its tenant's others."""
        self._tenants.queue(sequence, first=True)

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
        self._admit()
        if self._preempted:
            decodes = [chunk for chunk in decodes if chunk.sequence not in self._preempted]
        prefills = [sequence for sequence in self.running if sequence.remaining > 1 or not sequence.computed]
        if prefills and self.waiting_count and len(self._tenants) > 1:
            kept = self._tenants.least_served(prefills)
            decodes = [chunk for chunk in decodes if chunk.sequence.request.tenant.name in kept]
            prefills = [sequence for sequence in prefills if sequence.request.tenant.name in kept]
        budget = self.limits.prefill_beside_decodes if decodes else self.limits.prefill
        if any(sequence.to_score(sequence.remaining) for sequence in prefills):
            budget = min(budget, self.limits.scored)
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
                tenant = self._tenants.of(sequence)
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
        tenant = self._tenants.of(sequence)
        shared = sequence.prompt_length // self.pool.size
        partial = sequence.blocks[shared:]
        own = self.pool.allocate(len(partial)) if self._may_fork(tenant, len(partial)) else None
        if own is None:
            self._tenants.queue(follower, first=True)
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
        tenant = self._tenants.of(sequence)
        while (blocks := self.pool.allocate(1)) is None:
            givers = [other for other in self._tenants if other is tenant or other.yields_to(tenant)]
            youngest = max(givers, key=lambda other: other.blocks / other.weight).running[-1]
            self._preempt(youngest)
            if youngest is sequence:
                return False
        sequence.blocks += blocks
        tenant.blocks += 1
        return True

    def _admit(self) -> None:
        """Tenants within their parts first, if need be by preemption; then, while there is room, by virtual time."""
        self._tenants.set_shares(self.limits.running, self.pool.count)
        order = sorted((tenant for tenant in self._tenants if tenant.waiting), key=lambda tenant: tenant.time)
        if len(self._tenants) > 1:
            order = self._in_turn(order)
            if not self._admit_within_shares(order):
                return
        for tenant in order:
            while tenant.waiting and len(self.running) < self.limits.running and self._may_return(tenant.head):
                if not self._start(tenant, tenant.head):
                    break

    def _admit_within_shares(self, order: list[TenantQueue]) -> bool:
        """Whether room was made for all. What was freed for one in vain must not go to those that it was taken from."""
        complete = True
        for tenant in order:
            while tenant.waiting and self._within_share(tenant) and self._may_return(tenant.head):
                if not self._make_room(tenant):
                    complete = False
                    break
        return complete

    def _in_turn(self, order: list[TenantQueue]) -> list[TenantQueue]:
        """Those of the waiting tenants whose next sequence may be admitted now. A tenant that runs nothing because its
        next sequence is beyond its part would starve: others are admitted before it only until their virtual time has
        reached that sequence's finish time."""
        stuck = [tenant for tenant in order if not tenant.running and not self._within_share(tenant)]
        last = min(stuck, key=lambda tenant: tenant.finish_time(tenant.head), default=None)
        if last is None:
            return order
        limit = last.finish_time(last.head)
        return [tenant for tenant in order if tenant is last or tenant.time < limit]

    def _may_return(self, sequence: Sequence) -> bool:
        """Whether a sequence that this very step has preempted may start again: not at another tenant's expense."""
        return sequence not in self._preempted or not self.running or len(self._tenants) == 1

    def _within_share(self, tenant: TenantQueue) -> bool:
        """Whether the tenant's next sequence fits into its part of slots and blocks."""
        if len(tenant.running) >= tenant.slots:
            return False
        return tenant.blocks + self._blocks_for(tenant.head) <= tenant.block_share

    def _make_room(self, tenant: TenantQueue) -> bool:
        """Start the next sequence of a tenant within its part, and preempt those of tenants beyond theirs for it."""
        while True:
            if full := len(self.running) >= self.limits.running:
                givers = [other for other in self._tenants if len(other.running) > other.slots]
            elif self._start(tenant, tenant.head):
                return True
            else:
                givers = [other for other in self._tenants if other.blocks > other.block_share]
            givers = [other for other in givers if other is not tenant and other.yields_to(tenant)]
            if not givers:
                return False
            most = max(givers, key=lambda other: (len(other.running) if full else other.blocks) / other.weight)
            self._preempt(most.running[-1])

    def _preempt(self, sequence: Sequence) -> None:
        self._stop(self._tenants.of(sequence), sequence)
        sequence.computed = 0
        self._tenants.queue(sequence, first=True)
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
        self._tenants.dequeue(tenant, sequence)
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
