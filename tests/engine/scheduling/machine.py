"""A scheduler that runs steps, and checks what holds in each of them."""

import random
from collections import Counter
from collections.abc import Callable, Iterable

from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.scheduler import Scheduler, SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.tenant import Tenant
from tests.engine.helpers import make_sequence

A, B, C = Tenant("a"), Tenant("b"), Tenant("c")
_prompts = iter(range(0, 10**12, 10**6))


def fresh(length: int, tenant: Tenant, max_tokens: int = 16) -> Sequence:
    """A sequence whose prompt shares nothing with others."""
    return make_sequence(length, max_tokens=max_tokens, tenant=tenant, first=next(_prompts))


def many(count: int, tenant: Tenant, max_tokens: int = 2000) -> list[Sequence]:
    """Sequences of one short prompt, quickly made."""
    first = fresh(20, tenant, max_tokens)
    return [Sequence(first.request, first.generation, 0) for _ in range(count)]


class Machine:
    """A scheduler, and what its steps computed by tenant."""

    def __init__(self, blocks: int = 1000, limits: SchedulerLimits | None = None) -> None:
        self.pool = BlockPool(blocks, 32)
        self.scheduler = Scheduler(self.pool, limits or SchedulerLimits(8, 256, 64))
        self.computed: Counter[str] = Counter()
        self.steps = 0
        self.finished: set[Sequence] = set()

    def add(self, sequences: Iterable[Sequence]) -> list[Sequence]:
        added = list(sequences)
        for sequence in added:
            self.scheduler.add(sequence)
        return added

    def step(self) -> list[ScheduledChunk]:
        chunks = self.scheduler.schedule()
        limits = self.scheduler.limits
        assert len({chunk.sequence for chunk in chunks}) == len(chunks)
        assert len(self.scheduler.running) <= limits.max_running
        held: set[int] = set()
        for sequence in self.scheduler.running:
            held.update(sequence.block_table.tolist())
        assert self.pool.held == len(held)
        for chunk in chunks:
            sequence = chunk.sequence
            assert chunk.num_tokens > 0
            assert sequence.num_computed_tokens + chunk.num_tokens <= len(sequence.block_table) * 32
            self.computed[sequence.request.tenant.name] += chunk.num_tokens
        sampling = [chunk.sequence for chunk in chunks if chunk.samples]
        decodes = sum(1 for chunk in chunks if chunk.num_tokens == 1)
        assert sum(chunk.num_tokens for chunk in chunks) - decodes <= max(
            limits.prefill_tokens, limits.prefill_tokens_beside_decodes
        )
        # Random tokens: no other sequence finds the blocks of an output.
        finished = [sequence for sequence in sampling if sequence.append(random.randrange(10**9))[1]]
        for chunk in chunks:
            self.scheduler.commit(chunk, 0)
        for sequence in finished:
            self.scheduler.remove(sequence)
            self.finished.add(sequence)
        self.steps += 1
        return chunks

    def until(self, condition: Callable[[], bool], maximum: int = 100_000) -> int:
        """The number of steps that it took."""
        before = self.steps
        while not condition():
            assert self.steps - before < maximum
            self.step()
        return self.steps - before

    def running(self, tenant: Tenant) -> int:
        return sum(sequence.request.tenant == tenant for sequence in self.scheduler.running)

    def blocks(self, tenant: Tenant) -> int:
        return len({b for s in self.scheduler.running if s.request.tenant == tenant for b in s.block_table.tolist()})

    @property
    def idle(self) -> bool:
        return not self.scheduler.running and not self.scheduler.waiting_count
