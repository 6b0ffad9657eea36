"""Tenants on one scheduler under random traffic, and the cost of many sequences."""

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.scheduling.scheduler import Scheduler, SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.shares import fair_shares
from forefront.fairness.tenant import Tenant
from tests.engine.scheduling.first_come import FirstCome, Work
from tests.engine.scheduling.machine import A, B, C, Machine, fresh, many


@pytest.mark.parametrize("seed", range(40))
def test_any_traffic_ends_without_leaks_starvation_or_endless_preemption(seed: int) -> None:
    chance = random.Random(seed)
    limits = SchedulerLimits(chance.randint(1, 10), chance.choice([1, 16, 64, 256]), chance.choice([1, 16, 64]))
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
    wanted = sum(len(one.tokens) + one.tokens_left for one in everything)
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
def test_a_busy_tenant_gets_its_share_of_tokens_under_any_load(seed: int) -> None:
    """Two tenants that always have work, of different kinds, and one that comes and goes."""
    chance = random.Random(seed)
    machine = Machine(400, SchedulerLimits(16, 256, 64))
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
    limits = SchedulerLimits(running, 64, 16)
    machine = Machine(blocks, limits)
    reference = FirstCome(blocks, limits)
    # No cached prefix is found: every prompt is its own, and a preempted one's blocks are forgotten.
    machine.pool.register = lambda block, digest: None  # type: ignore[method-assign]
    names: dict[Sequence, int] = {}
    for pause, length, tokens in arrivals:
        length = max(min(length, blocks * 32 - tokens), 1)
        if length + tokens > blocks * 32:
            continue
        for _ in range(pause):
            assert [(names[c.sequence], c.num_tokens) for c in machine.step()] == reference.step()
        names[sequence := fresh(length, A, tokens)] = len(names)
        machine.add([sequence])
        reference.waiting.append(Work(names[sequence], length, tokens))
    while not machine.idle:
        assert [(names[c.sequence], c.num_tokens) for c in machine.step()] == reference.step()
    assert not reference.running
    assert not reference.waiting


def test_thousands_of_waiting_sequences_do_not_slow_a_step() -> None:
    """Counted against a step with few waiting ones, in the same run."""

    def seconds(waiting: int) -> float:
        machine = Machine(limits=SchedulerLimits())
        for tenant in (A, B):
            machine.add(many(waiting // 2, tenant))
        machine.until(
            lambda: (
                len(machine.scheduler.running) == 64 and all(s.num_computed_tokens for s in machine.scheduler.running)
            )
        )
        best = float("inf")
        for _ in range(30):
            begin = time.thread_time()
            machine.scheduler.schedule()
            best = min(best, time.thread_time() - begin)
        return best

    assert seconds(8192) < 5 * seconds(128)


def test_cancelling_thousands_is_linear() -> None:
    def seconds(waiting: int) -> float:
        scheduler = Scheduler(BlockPool(100, 32), SchedulerLimits())
        sequences = many(waiting, A)
        for sequence in sequences:
            scheduler.add(sequence)
        begin = time.thread_time()
        for sequence in reversed(sequences):
            scheduler.remove(sequence)
        return time.thread_time() - begin

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
