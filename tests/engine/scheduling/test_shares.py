"""Tenants on one scheduler: shares by weight, no starvation, no leak, no preemption without end."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.engine.scheduling.block_pool import BlockPool
from forefront.engine.scheduling.scheduler import Chunk, Limits, Scheduler
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.shares import fair_shares
from forefront.fairness.tenant import Tenant
from tests.engine.helpers import make_sequence
from tests.engine.scheduling.first_come import FirstCome, Work

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

    def __init__(self, blocks: int = 1000, limits: Limits | None = None) -> None:
        self.pool = BlockPool(blocks, 32)
        self.scheduler = Scheduler(self.pool, limits or Limits(8, 256, 64))
        self.computed: Counter[str] = Counter()
        self.steps = 0
        self.finished: set[Sequence] = set()

    def add(self, sequences: Iterable[Sequence]) -> list[Sequence]:
        added = list(sequences)
        for sequence in added:
            self.scheduler.add(sequence)
        return added

    def step(self) -> list[Chunk]:
        chunks = self.scheduler.schedule()
        limits = self.scheduler.limits
        assert len({chunk.sequence for chunk in chunks}) == len(chunks)
        assert len(self.scheduler.running) <= limits.running
        held: set[int] = set()
        for sequence in self.scheduler.running:
            held.update(sequence.blocks)
        assert self.pool.held == len(held)
        for chunk in chunks:
            sequence = chunk.sequence
            assert chunk.length > 0
            assert sequence.computed + chunk.length <= len(sequence.blocks) * 32
            self.computed[sequence.request.tenant.name] += chunk.length
        sampling = [chunk.sequence for chunk in chunks if chunk.samples]
        decodes = sum(1 for chunk in chunks if chunk.length == 1)
        assert sum(chunk.length for chunk in chunks) - decodes <= max(limits.prefill, limits.prefill_beside_decodes)
        self.scheduler.computed(chunks)
        for sequence in sampling:
            # Random tokens: an answer's blocks are found by nobody else.
            if sequence.append(random.randrange(10**9))[1]:
                self.scheduler.remove(sequence)
                self.finished.add(sequence)
        self.steps += 1
        return chunks

    def until(self, condition: Callable[[], bool], most: int = 100_000) -> int:
        """The number of steps that it took."""
        before = self.steps
        while not condition():
            assert self.steps - before < most
            self.step()
        return self.steps - before

    def running(self, tenant: Tenant) -> int:
        return sum(sequence.request.tenant == tenant for sequence in self.scheduler.running)

    def blocks(self, tenant: Tenant) -> int:
        return len({b for s in self.scheduler.running if s.request.tenant == tenant for b in s.blocks})

    @property
    def idle(self) -> bool:
        return not self.scheduler.running and not self.scheduler.waiting_count


def test_a_newcomer_runs_at_once_beside_four_thousand_sequences() -> None:
    machine = Machine(limits=Limits())
    machine.add(many(4096, A))
    machine.until(lambda: machine.running(A) == 64)
    [late] = machine.add([fresh(20, B, 4)])
    assert machine.until(lambda: late.answer_length == 4) == 4
    assert machine.scheduler.preemptions == 1


def test_slots_follow_the_weights_and_then_stay() -> None:
    machine = Machine(limits=Limits(running=30))
    heavy = Tenant("b", 2.0)
    machine.add(fresh(20, A, 500) for _ in range(200))
    machine.until(lambda: machine.running(A) == 30)
    machine.add(fresh(20, heavy, 500) for _ in range(200))
    machine.step()
    assert (machine.running(A), machine.running(heavy)) == (10, 20)
    assert machine.scheduler.preemptions == 20
    for _ in range(3000):
        machine.step()
    assert machine.scheduler.preemptions == 20


def test_one_alone_may_use_all_slots_and_blocks() -> None:
    machine = Machine(blocks=64, limits=Limits(running=30))
    [other] = machine.add([fresh(20, B, 1)])
    machine.until(lambda: other in machine.finished)
    machine.add(fresh(20, A, 10) for _ in range(200))
    machine.step()
    assert machine.running(A) == 30


def test_what_a_tenant_has_no_use_for_is_for_the_others() -> None:
    machine = Machine(limits=Limits(running=30))
    machine.add(fresh(20, A, 500) for _ in range(200))
    machine.add(fresh(20, B, 500) for _ in range(3))
    machine.step()
    assert (machine.running(A), machine.running(B)) == (27, 3)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_blocks_follow_the_weights(weight: float) -> None:
    other = Tenant("b", weight)
    machine = Machine(blocks=200, limits=Limits(running=64, prefill=512, prefill_beside_decodes=512))
    machine.add(fresh(100, A, 400) for _ in range(300))
    machine.until(lambda: machine.pool.available < 10)
    machine.add(fresh(100, other, 400) for _ in range(300))
    machine.until(lambda: machine.blocks(other) > 0, 3)
    machine.until(lambda: machine.blocks(other) >= 200 * weight / (1 + weight) * 0.8, 100)
    shares: Counter[str] = Counter()
    for _ in range(2000):
        machine.step()
        shares.update({"a": machine.blocks(A), "b": machine.blocks(other)})
    assert shares["b"] / shares["a"] == pytest.approx(weight, rel=0.25)


def test_a_growing_answer_takes_no_block_of_a_neighbour_within_its_share() -> None:
    """The youngest sequence of all is B's, and holds little; A's must give way."""
    machine = Machine(blocks=20, limits=Limits(running=8))
    machine.add(fresh(60, A, 300) for _ in range(6))
    machine.until(lambda: machine.running(A) == 6 and all(s.answer_length for s in machine.scheduler.running))
    [young] = machine.add([fresh(30, B, 100)])
    machine.until(lambda: young.blocks != [])
    while young not in machine.finished:
        machine.step()
        assert young.blocks or young in machine.finished


def test_prefill_is_divided_by_weight() -> None:
    machine = Machine(limits=Limits(8, 256, 64))
    machine.add(fresh(4000, A, 10) for _ in range(4))
    machine.add([fresh(4000, Tenant("b", 3.0), 10)])
    machine.step()
    assert machine.computed == {"a": 64, "b": 192}


def test_a_short_prompt_is_not_behind_a_neighbours_long_ones() -> None:
    machine = Machine(limits=Limits(8, 256, 64))
    machine.add(fresh(4000, A, 10) for _ in range(7))
    machine.step()
    [short] = machine.add([fresh(100, B, 1)])
    assert machine.until(lambda: short in machine.finished) == 1


def test_forks_stay_within_the_share_while_another_waits() -> None:
    machine = Machine(limits=Limits(running=8))
    machine.add(fresh(20, B, 500) for _ in range(20))
    [leader] = machine.add([fresh(40, A, 500)])
    machine.until(lambda: leader.answer_length == 1)
    followers = [make_sequence(40, max_tokens=500, tenant=A, first=leader.tokens[0], index=n) for n in range(1, 16)]
    forked = [machine.scheduler.fork(leader, follower) is not None for follower in followers]
    # B had seven slots; A gets the others of its half by preemption, in the next step.
    assert not any(forked)
    machine.step()
    assert (machine.running(A), machine.running(B)) == (4, 4)


def test_a_sequence_larger_than_its_tenants_share_is_served_too() -> None:
    machine = Machine(blocks=40, limits=Limits(running=16))
    machine.add(fresh(100, A, 60) for _ in range(100))
    machine.step()
    [large] = machine.add([fresh(1000, B, 100)])

    def refill() -> bool:
        if machine.scheduler.waiting_count < 20:
            machine.add(fresh(100, A, 60) for _ in range(20))
        return large in machine.finished

    machine.until(refill, 3000)
    # A ran until B's turn had come: neither starves.
    assert machine.computed["a"] > 500


def test_a_neighbours_small_requests_leave_a_large_one_its_progress() -> None:
    """The large one holds nearly all blocks, so each small one preempts it."""
    machine = Machine(blocks=20, limits=Limits(running=8))
    [large] = machine.add([fresh(400, A, 200)])
    machine.until(lambda: large.answer_length > 0)
    small: list[Sequence] = []

    def refill() -> bool:
        if not small or small[-1] in machine.finished:
            small.extend(machine.add([fresh(100, B, 4)]))
        return large in machine.finished

    machine.until(refill, 4000)
    assert sum(one in machine.finished for one in small) >= 5


def test_more_tenants_than_slots_take_turns_by_weight() -> None:
    machine = Machine(limits=Limits(running=4, prefill=256, prefill_beside_decodes=64))
    tenants = [Tenant(f"t{n}", 2.0 if n == 0 else 1.0) for n in range(9)]
    for tenant in tenants:
        machine.add(fresh(10, tenant, 20) for _ in range(400))
    machine.until(lambda: sum(machine.computed.values()) > 20_000)
    parts = [machine.computed[tenant.name] / tenant.weight for tenant in tenants]
    assert max(parts) < 1.2 * min(parts)


@pytest.mark.parametrize("seed", range(40))
def test_any_traffic_ends_without_leaks_starvation_or_endless_preemption(seed: int) -> None:
    chance = random.Random(seed)
    limits = Limits(chance.randint(1, 10), chance.choice([1, 16, 64, 256]), chance.choice([1, 16, 64]))
    machine = Machine(chance.randint(10, 60), limits)
    tenants = [Tenant(f"t{n}", chance.choice([0.01, 0.5, 1, 1, 3, 100])) for n in range(chance.randint(2, 6))]
    longest = machine.pool.count * 32
    pending: list[Sequence] = []
    for tenant in tenants:
        for _ in range(chance.randint(1, 25)):
            tokens = chance.randint(1, 60)
            pending.append(
                fresh(chance.randint(1, min(chance.choice([20, 300, 3000]), longest - tokens)), tenant, tokens)
            )
    chance.shuffle(pending)
    everything = list(pending)
    wanted = sum(len(one.tokens) + one.left for one in everything)
    cancelled: set[Sequence] = set()
    while pending or not machine.idle:
        assert machine.steps < 50 * wanted
        if pending and chance.random() < 0.3:
            machine.add([pending.pop()])
        if chance.random() < 0.01:
            cancelled.add(one := chance.choice(everything))
            if one in pending:
                pending.remove(one)
            machine.scheduler.remove(one)
        if not machine.step():
            assert machine.idle or machine.step()
    assert machine.finished | cancelled == set(everything)
    assert machine.pool.held == 0
    assert not len(machine.scheduler._tenants)
    assert not machine.scheduler.waiting_count
    assert sum(machine.computed.values()) < 4 * wanted


@pytest.mark.parametrize("seed", range(10))
def test_a_busy_tenant_gets_its_share_of_tokens_whatever_the_others_do(seed: int) -> None:
    """Two tenants that always have work, of different kinds, and one that comes and goes."""
    chance = random.Random(seed)
    machine = Machine(400, Limits(16, 256, 64))
    sizes = {A: (30, 200), B: (chance.randint(10, 60), chance.randint(20, 400)), C: (20, 4)}
    decoded: Counter[Tenant] = Counter()
    for step in range(3000):
        for tenant in (A, B) if step % 37 else (A, B, C):
            if sum(one.request.tenant == tenant for one in machine.scheduler.waiting) < 5:
                machine.add(fresh(*_sized(sizes[tenant], tenant)) for _ in range(20 if tenant != C else 3))
        for chunk in machine.step():
            decoded[chunk.sequence.request.tenant] += chunk.samples
    assert decoded[A] == pytest.approx(decoded[B], rel=0.3)


def _sized(size: tuple[int, int], tenant: Tenant) -> tuple[int, Tenant, int]:
    return size[0], tenant, size[1]


@given(
    st.integers(4, 40),
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 400), st.integers(1, 60)), min_size=1, max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_one_tenant_is_served_first_come_first_served(
    blocks: int, running: int, arrivals: list[tuple[int, int, int]]
) -> None:
    limits = Limits(running, 64, 16)
    machine = Machine(blocks, limits)
    reference = FirstCome(blocks, limits)
    # No cached prefix is found: every prompt is its own, and a preempted one's blocks are forgotten.
    machine.pool.register = lambda block, key: None  # type: ignore[method-assign]
    names: dict[Sequence, int] = {}
    for pause, length, tokens in arrivals:
        length = max(min(length, blocks * 32 - tokens), 1)
        if length + tokens > blocks * 32:
            continue
        for _ in range(pause):
            assert [(names[c.sequence], c.length) for c in machine.step()] == reference.step()
        names[sequence := fresh(length, A, tokens)] = len(names)
        machine.add([sequence])
        reference.waiting.append(Work(names[sequence], length, tokens))
    while not machine.idle:
        assert [(names[c.sequence], c.length) for c in machine.step()] == reference.step()
    assert not reference.running
    assert not reference.waiting


def test_thousands_that_wait_cost_a_step_nothing() -> None:
    """Counted against a step with few waiting ones, in the same run."""

    def seconds(waiting: int) -> float:
        machine = Machine(limits=Limits())
        for tenant in (A, B):
            machine.add(many(waiting // 2, tenant))
        machine.until(
            lambda: len(machine.scheduler.running) == 64 and all(s.computed for s in machine.scheduler.running)
        )
        best = float("inf")
        for _ in range(30):
            begin = time.perf_counter()
            machine.scheduler.schedule()
            best = min(best, time.perf_counter() - begin)
        return best

    assert seconds(8192) < 5 * seconds(128)


def test_cancelling_thousands_is_linear() -> None:
    def seconds(waiting: int) -> float:
        scheduler = Scheduler(BlockPool(100, 32), Limits())
        sequences = many(waiting, A)
        for sequence in sequences:
            scheduler.add(sequence)
        begin = time.perf_counter()
        for sequence in reversed(sequences):
            scheduler.remove(sequence)
        return time.perf_counter() - begin

    few, lots = (min(seconds(count) for _ in range(3)) for count in (8000, 64_000))
    assert lots < 8 * few * 5


@given(st.floats(0, 1000), st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 500)), min_size=1, max_size=12))
def test_shares_are_max_min_fair(capacity: float, claims: list[tuple[float, float]]) -> None:
    shares = fair_shares(capacity, claims)
    assert sum(shares) == pytest.approx(min(capacity, sum(demand for _, demand in claims)), abs=1e-6)
    for (weight, demand), share in zip(claims, shares, strict=True):
        assert share <= demand
        if share < demand - 1e-6:  # as much for its weight as any other
            assert all(share / weight >= other / heavy - 1e-6 for (heavy, _), other in zip(claims, shares, strict=True))
