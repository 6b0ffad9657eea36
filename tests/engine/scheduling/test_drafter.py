"""Drafts in the scheduler: their budget, their blocks, and what becomes of them."""

import random
from dataclasses import replace

import pytest

from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.scheduler import Scheduler, SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.step_cost import StepSize
from forefront.fairness.tenant import Tenant
from tests.engine.drafts import SimpleDrafter
from tests.engine.helpers import make_sequence

RIGHT = 7


class Greedy(SimpleDrafter):
    """Proposes `count` tokens, as many as it may at most."""

    def __init__(self, count: int, token: int = RIGHT) -> None:
        self.count, self.token = count, token

    def draft(self, sequence: Sequence, max_tokens: int) -> list[int]:
        return [self.token] * self.count


def make_scheduler(blocks: int, drafter: Greedy, limits: SchedulerLimits | None = None) -> Scheduler:
    return Scheduler(BlockPool(blocks, 32), limits or SchedulerLimits(), drafter)


def run(scheduler: Scheduler, confirmed: int = 100) -> list[ScheduledChunk]:
    """One step. Sampling confirms at most so many tokens of each draft."""
    chunks = scheduler.schedule()
    for chunk in chunks:
        sequence = chunk.sequence
        accepted = min(confirmed, len(chunk.draft))
        finish = None
        if chunk.samples:
            for token in [*chunk.draft[:accepted], RIGHT]:
                _, finish = sequence.append(token)
        assert sequence.num_computed_tokens + chunk.num_tokens + len(chunk.draft) <= len(sequence.block_table) * 32
        scheduler.commit(chunk, accepted)
        if finish:
            scheduler.remove(sequence)
    return chunks


def test_a_sequence_grows_by_several_blocks() -> None:
    scheduler = make_scheduler(64, Greedy(100), SchedulerLimits(draft_tokens=100))
    sequence = make_sequence(30, max_tokens=1000)
    scheduler.add(sequence)
    run(scheduler)
    assert len(sequence.block_table) == 1
    [chunk] = run(scheduler)
    assert len(chunk.draft) == 100
    assert len(sequence.block_table) == 5
    assert sequence.num_computed_tokens == 131
    assert sequence.num_uncomputed_tokens == 1


def test_rejected_tokens_are_computed_again_in_the_same_blocks() -> None:
    scheduler = make_scheduler(64, Greedy(40))
    sequence = make_sequence(30, max_tokens=1000)
    scheduler.add(sequence)
    run(scheduler)
    run(scheduler, confirmed=0)
    assert sequence.num_computed_tokens == 31
    blocks = sequence.block_table.tolist()
    run(scheduler, confirmed=3)
    assert sequence.num_computed_tokens == 35
    assert sequence.block_table.tolist()[: len(blocks)] == blocks


def test_full_blocks_of_confirmed_tokens_alone_are_registered() -> None:
    scheduler = make_scheduler(64, Greedy(40))
    sequence = make_sequence(30, max_tokens=1000)
    scheduler.add(sequence)
    run(scheduler)
    run(scheduler, confirmed=0)
    assert scheduler.cached_tokens([*range(30), *[RIGHT] * 40], sequence.request.tenant) == 0
    run(scheduler, confirmed=1)
    assert scheduler.cached_tokens([*range(30), *[RIGHT] * 40], sequence.request.tenant) == 32


@pytest.mark.parametrize(("budget", "drafts"), [(100, [12, 12, 12, 12]), (20, [5, 5, 5, 5]), (3, [1, 1, 1, 0])])
def test_sequences_share_the_budget_of_drafts(budget: int, drafts: list[int]) -> None:
    scheduler = make_scheduler(64, Greedy(12), SchedulerLimits(draft_tokens=budget))
    for n in range(4):
        scheduler.add(make_sequence(10, max_tokens=500, first=1000 * n))
    run(scheduler)
    assert [len(chunk.draft) for chunk in run(scheduler, confirmed=0)] == drafts


def test_late_prompts_come_before_drafts() -> None:
    scheduler = make_scheduler(400, Greedy(12), SchedulerLimits(first_token_latency=1))
    scheduler.add(make_sequence(10, max_tokens=500))
    run(scheduler)
    scheduler.step_budget.record(StepSize(1, 10), 0.02)
    scheduler.add(prompt := make_sequence(4000, max_tokens=2, first=1000))
    assert [len(chunk.draft) for chunk in run(scheduler, confirmed=0)] == [12, 0]
    scheduler.step_budget.record(StepSize(1, 10, 64, 640), 1.1)
    chunks = run(scheduler, confirmed=0)
    assert [len(chunk.draft) for chunk in chunks] == [0, 0]
    assert prompt.num_computed_tokens < len(prompt.tokens)


def test_a_tenant_keeps_its_drafts_beside_the_late_prompts_of_another() -> None:
    scheduler = make_scheduler(400, Greedy(12), SchedulerLimits(first_token_latency=1))
    scheduler.add(make_sequence(10, max_tokens=500))
    run(scheduler)
    scheduler.step_budget.record(StepSize(1, 10), 0.02)
    scheduler.add(make_sequence(4000, max_tokens=2, first=1000, tenant=Tenant("other")))
    scheduler.step_budget.record(StepSize(1, 10, 64, 640), 1.1)
    assert [len(chunk.draft) for chunk in run(scheduler, confirmed=0)] == [12, 0]


def test_a_sequence_with_its_first_token_is_not_late() -> None:
    scheduler = make_scheduler(400, Greedy(12), SchedulerLimits(first_token_latency=1))
    scheduler.add(make_sequence(10, max_tokens=500))
    scheduler.add(slow := make_sequence(1500, max_tokens=500, first=1000))
    while not slow.num_output_tokens:
        run(scheduler)
    scheduler.step_budget.record(StepSize(1, 10, 64, 640), 1.1)
    scheduler.suspend(slow)
    scheduler.resume(slow)
    drafts = {chunk.sequence: len(chunk.draft) for chunk in run(scheduler, confirmed=0)}
    assert drafts.pop(slow) == 0
    assert [*drafts.values()] == [12]


def test_followers_are_as_late_as_their_prompt() -> None:
    scheduler = make_scheduler(400, Greedy(1))
    scheduler.step_budget.record(StepSize(1, 10), 50)
    one = make_sequence(10, max_tokens=5)
    scheduler.add(sequence := Sequence(replace(one.request, n=3), one.generation, 0))
    assert [follower.queued_at for follower in sequence.create_followers()] == [50, 50]


def test_a_draft_ends_one_token_before_the_output_and_before_a_stop_token() -> None:
    scheduler = make_scheduler(64, Greedy(12))
    short = make_sequence(10, max_tokens=6)
    stopped = make_sequence(10, max_tokens=60, first=1000, stop_tokens=frozenset({RIGHT + 1}))
    scheduler.add(short)
    scheduler.add(stopped)
    run(scheduler)
    drafts = {chunk.sequence: len(chunk.draft) for chunk in scheduler.schedule()}
    assert drafts == {short: 4, stopped: 12}
    scheduler = make_scheduler(64, Greedy(12, RIGHT + 1))
    scheduler.add(stopped := make_sequence(10, max_tokens=60, stop_tokens=frozenset({RIGHT + 1})))
    run(scheduler)
    assert [chunk.draft for chunk in scheduler.schedule()] == [()]


def test_drafts_preempt_no_sequence_and_leave_a_block_for_each() -> None:
    scheduler = make_scheduler(8, Greedy(300), SchedulerLimits(draft_tokens=1000))
    for n in range(3):
        scheduler.add(make_sequence(20, max_tokens=200, first=1000 * n))
    run(scheduler)
    chunks = run(scheduler, confirmed=0)
    # Three blocks are held and three spare: two are left.
    assert sum(len(chunk.draft) for chunk in chunks) == 3 * 11 + 2 * 32
    assert scheduler.preemptions == 0
    assert scheduler.pool.available == 3


def test_random_traffic_with_drafts_always_ends_and_leaks_nothing() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        scheduler = make_scheduler(
            chance.randint(8, 20), Greedy(chance.randint(1, 70)), SchedulerLimits(4, 64, 16, 256, chance.randint(1, 90))
        )
        tenants = [Tenant("a"), Tenant("b", 2.0)]
        sequences = [
            make_sequence(
                chance.randint(1, 150), max_tokens=chance.randint(1, 60), first=300 * n, tenant=chance.choice(tenants)
            )
            for n in range(12)
        ]
        pending = list(sequences)
        for _ in range(5000):
            if pending and chance.random() < 0.2:
                scheduler.add(pending.pop())
            if chance.random() < 0.01:
                scheduler.remove(chance.choice(sequences))
            run(scheduler, confirmed=chance.randint(0, 8))
            held = {block for sequence in scheduler.running for block in sequence.block_table.tolist()}
            assert scheduler.pool.held == len(held)
            if not pending and not scheduler.waiting and not scheduler.running:
                break
        assert scheduler.pool.held == 0, seed
        assert not scheduler.waiting, seed
