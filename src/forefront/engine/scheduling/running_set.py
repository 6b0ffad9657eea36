"""The running sequences and their KV blocks: start, grow, fork, preempt, stop."""

from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.tenant_queue import TenantQueue
from forefront.engine.scheduling.tenants import Tenants


class RunningSet:
    """At most `max_running` sequences that hold blocks of `pool`."""

    def __init__(self, pool: BlockPool, tenants: Tenants, max_running: int) -> None:
        self.pool, self.max_running = pool, max_running
        self.sequences: list[Sequence] = []  # oldest first
        self.preempted: set[Sequence] = set()  # in the present step
        self.preemptions = 0
        self._tenants = tenants

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def full(self) -> bool:
        """Whether no further sequence may run."""
        return len(self.sequences) >= self.max_running

    def num_blocks_for(self, sequence: Sequence) -> int:
        """Blocks for all known tokens."""
        return -(-len(sequence.tokens) // self.pool.block_size)

    def start(self, tenant: TenantQueue, sequence: Sequence) -> bool:
        """Give a waiting sequence blocks for all its known tokens, those of a cached prefix first. False, without any
        change, when there are too few."""
        size = self.pool.block_size
        length = len(sequence.tokens)
        # At least one token is always computed, for its logits.
        sequence.extend_block_hashes(size, length - 1)
        matched: list[int] = []
        # A prompt whose tokens are scored is computed whole.
        if not sequence.prompt_positions_to_score(length):
            matched = self.pool.match_prefix(sequence.block_hashes[: (length - 1) // size])
        held = self.pool.held
        self.pool.share(matched)
        needed = self.num_blocks_for(sequence) - len(matched)
        # One spare block per running sequence, so that this sequence is not preempted again at once.
        allocated = self.pool.allocate(needed) if needed + len(self.sequences) <= self.pool.available else None
        if allocated is None:
            self.pool.release(matched)
            return False
        tenant.num_blocks += self.pool.held - held
        sequence.block_table.extend(matched + allocated)
        sequence.num_computed_tokens = len(matched) * size
        if not sequence.started:
            sequence.start()
            if sequence.index == 0:
                sequence.generation.cached_tokens = sequence.num_computed_tokens
        self._tenants.dequeue(tenant, sequence)
        self.sequences.append(sequence)
        tenant.running.append(sequence)
        return True

    def reuse_computed(self, sequence: Sequence) -> None:
        """Let a prompt share the blocks that other sequences have computed for its next tokens since it started."""
        size = self.pool.block_size
        first = sequence.num_computed_tokens // size
        found = self.pool.match_prefix(sequence.block_hashes[first : (len(sequence.tokens) - 1) // size])
        if not found or sequence.prompt_positions_to_score(len(sequence.tokens)):
            return
        tenant, held = self._tenants.of(sequence), self.pool.held
        self.pool.share(found)
        self.pool.release(sequence.block_table.replace(first, found))
        tenant.num_blocks += self.pool.held - held
        end = (first + len(found)) * size
        if sequence.index == 0 and sequence.num_charged_tokens <= sequence.num_computed_tokens:
            sequence.generation.cached_tokens += end - sequence.num_computed_tokens
        sequence.num_computed_tokens = end

    def stop(self, tenant: TenantQueue, sequence: Sequence) -> None:
        """Remove a running sequence and release its blocks."""
        self.sequences.remove(sequence)
        tenant.running.remove(sequence)
        held = self.pool.held
        self.pool.release(sequence.block_table.clear())
        tenant.num_blocks -= held - self.pool.held

    def preempt(self, sequence: Sequence) -> None:
        """Stop a sequence and queue it before its tenant's others. It is computed again later."""
        self.stop(self._tenants.of(sequence), sequence)
        sequence.num_computed_tokens = 0
        self._tenants.queue(sequence, first=True)
        self.preempted.add(sequence)
        self.preemptions += 1

    def grow(self, sequence: Sequence) -> bool:
        """Ensure a block for the next token. If none is available, the youngest sequence is preempted of the tenant
        that holds the most for its weight. False if that is `sequence` itself."""
        if sequence.num_computed_tokens < len(sequence.block_table) * self.pool.block_size:
            return True
        tenant = self._tenants.of(sequence)
        while (blocks := self.pool.allocate(1)) is None:
            givers = [other for other in self._tenants if other is tenant or other.yields_to(tenant)]
            youngest = max(givers, key=lambda other: other.num_blocks / other.weight).running[-1]
            self.preempt(youngest)
            if youngest is sequence:
                return False
        self._add_blocks(tenant, sequence, blocks)
        return True

    def grow_for_draft(self, sequence: Sequence, count: int) -> int:
        """Ensure blocks for up to `count` tokens after the next one; for how many there is room. A draft preempts no
        sequence, leaves a spare block per running sequence, and stays within the tenant's share."""
        size = self.pool.block_size
        table = sequence.block_table
        room = len(table) * size - sequence.num_computed_tokens - 1
        if room < count:
            tenant = self._tenants.of(sequence)
            spare = min(self.pool.available - len(self.sequences), tenant.block_share - tenant.num_blocks)
            needed = int(max(min(-((room - count) // size), spare), 0))
            self._add_blocks(tenant, sequence, self.pool.allocate(needed) or [])
            room += needed * size
        return min(count, room)

    def fork(self, sequence: Sequence, follower: Sequence) -> tuple[int, int] | None:
        """Start `follower` on the blocks of `sequence`, which has the same prompt, just computed.

        Full blocks are shared. A partly filled last block is returned as (source, target), to be copied before it is
        written to; (0, 0) means none. Without room, or room within the tenant's share while another tenant waits,
        the follower is queued and computes for itself; None is returned then.
        """
        tenant = self._tenants.of(sequence)
        num_shared = sequence.num_prompt_tokens // self.pool.block_size
        blocks = sequence.block_table.tolist()
        shared, partial = blocks[:num_shared], blocks[num_shared:]
        copies = self.pool.allocate(len(partial)) if self._may_fork(tenant, len(partial)) else None
        if copies is None:
            self._tenants.queue(follower, first=True)
            return None
        self.pool.share(shared)
        tenant.num_blocks += len(copies)
        follower.block_table.extend(shared + copies)
        follower.block_hashes = list(sequence.block_hashes)
        follower.num_computed_tokens = follower.num_charged_tokens = sequence.num_prompt_tokens
        follower.start()
        for running in (self.sequences, tenant.running):
            running.insert(running.index(sequence) + 1, follower)
        return (partial[0], copies[0]) if partial else (0, 0)

    def _may_fork(self, tenant: TenantQueue, blocks: int) -> bool:
        if self.full:
            return False
        if self._tenants.waiting_count == len(tenant.waiting):
            return True
        return len(tenant.running) < tenant.slot_share and tenant.num_blocks + blocks <= tenant.block_share

    def _add_blocks(self, tenant: TenantQueue, sequence: Sequence, blocks: list[int]) -> None:
        sequence.block_table.extend(blocks)
        tenant.num_blocks += len(blocks)
