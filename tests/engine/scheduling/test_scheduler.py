"""The scheduler's decisions, with plain sequences and no model."""

import math
from dataclasses import replace

from forefront.engine.generation import Token
from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.request import ResumedOutput
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.scheduler import Scheduler, SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.tenant import Tenant
from tests.engine.helpers import make_sequence

LIMITS = SchedulerLimits(max_running=8, prefill_tokens=256, prefill_tokens_beside_decodes=64)


def make_scheduler(blocks: int = 64, limits: SchedulerLimits = LIMITS) -> Scheduler:
    return Scheduler(BlockPool(blocks, 32), limits)


def run(scheduler: Scheduler, token: int = 7) -> list[ScheduledChunk]:
    """One step as the engine does it, every sample being `token`; returns what was scheduled."""
    chunks = scheduler.schedule()
    sampling = [chunk.sequence for chunk in chunks if chunk.samples]
    finished = [sequence for sequence in sampling if sequence.append(token)[1]]
    for chunk in chunks:
        scheduler.commit(chunk, 0)
    for sequence in finished:
        scheduler.remove(sequence)
    return chunks


def lengths(chunks: list[ScheduledChunk]) -> dict[Sequence, int]:
    return {chunk.sequence: chunk.num_tokens for chunk in chunks}


def test_a_prompt_runs_in_chunks_then_decodes() -> None:
    scheduler = make_scheduler()
    sequence = make_sequence(600, max_tokens=2)
    scheduler.add(sequence)
    steps = [run(scheduler) for _ in range(5)]
    assert [[chunk.num_tokens for chunk in step] for step in steps] == [[256], [256], [88], [1], []]
    assert sequence.num_output_tokens == 2
    assert scheduler.pool.held == 0


def test_sequences_begun_elsewhere_precede_new_ones_and_take_few_steps() -> None:
    scheduler = make_scheduler(limits=SchedulerLimits(max_running=3, prefill_tokens=256))
    running = [make_sequence(10, max_tokens=1000, first=1000 * number) for number in range(3)]
    new = [make_sequence(10, first=10_000 + 1000 * number) for number in range(4)]
    for sequence in (*running, *new):
        scheduler.add(sequence)
    run(scheduler)
    # The engine and the server pass on the oldest last.
    moved = []
    for number in range(2):
        request = make_sequence(100, max_tokens=400, first=20_000 + 1000 * number).request
        moved.append(Sequence.resume(request, running[0].generation, ResumedOutput(0, range(number, 300))))
        scheduler.add(moved[-1])
    scheduler.remove(running[0])
    run(scheduler)
    assert scheduler.running == [*running[1:], moved[1]]
    for sequence in running[1:]:
        scheduler.remove(sequence)
    steps = 0
    while len(moved[0].tokens) == 400:
        run(scheduler)
        steps += 1
    assert scheduler.running == [moved[1], moved[0], new[0]]
    # 64 tokens in a step beside decodes.
    assert steps <= math.ceil((400 + 400) / 64)


def test_a_scored_prompt_has_few_rows_per_step() -> None:
    scheduler = make_scheduler(
        limits=SchedulerLimits(max_running=8, prefill_tokens=256, prefill_tokens_beside_decodes=64, scored_tokens=20)
    )
    scored = make_sequence(100)
    scored.request = replace(scored.request, prompt_logprobs=0)
    scored.generation.prompt_scores.append(Token(0, 1, None, math.nan))
    scheduler.add(scored)
    scheduler.add(make_sequence(300, first=1000))
    while scored.num_computed_tokens < 99:
        chunks = scheduler.schedule()
        assert sum(len(chunk.sequence.prompt_positions_to_score(chunk.num_tokens)) for chunk in chunks) <= 20
        scored.generation.prompt_scores += [Token(0, 1, None, 0.0)] * len(
            scored.prompt_positions_to_score(lengths(chunks)[scored])
        )
        for chunk in chunks:
            scheduler.commit(chunk, 0)
    assert sum(lengths(scheduler.schedule()).values()) > 20


def test_prompts_get_a_smaller_share_beside_decodes() -> None:
    scheduler = make_scheduler()
    decoding = make_sequence(10)
    scheduler.add(decoding)
    run(scheduler)
    long = make_sequence(500, first=1000)
    scheduler.add(long)
    assert lengths(run(scheduler)) == {decoding: 1, long: 64}


def test_a_short_prompt_does_not_wait_for_a_long_one() -> None:
    scheduler = make_scheduler()
    long = make_sequence(1000)
    scheduler.add(long)
    run(scheduler)
    short = make_sequence(20, first=5000)
    scheduler.add(short)
    assert lengths(run(scheduler)) == {long: 236, short: 20}


def test_the_oldest_prompt_is_not_starved_by_short_ones() -> None:
    scheduler = make_scheduler()
    long = make_sequence(900)
    scheduler.add(long)
    for n in range(6):
        scheduler.add(make_sequence(200, first=10_000 * (n + 1)))
    assert lengths(run(scheduler))[long] == 128


def test_the_budget_is_never_exceeded_and_never_wasted() -> None:
    scheduler = make_scheduler(blocks=200)
    for n in range(8):
        scheduler.add(make_sequence(70 * (n + 1), first=10_000 * n))
    while any(sequence.num_uncomputed_tokens > 1 for sequence in scheduler.running) or scheduler.waiting:
        chunks = scheduler.schedule()
        decodes = sum(1 for chunk in chunks if chunk.num_tokens == 1 and chunk.sequence.num_computed_tokens)
        prompt_tokens = sum(chunk.num_tokens for chunk in chunks) - decodes
        budget = LIMITS.prefill_tokens_beside_decodes if decodes else LIMITS.prefill_tokens
        wanted = sum(
            sequence.num_uncomputed_tokens for sequence in scheduler.running if sequence.num_uncomputed_tokens > 1
        )
        assert prompt_tokens == min(budget, wanted)
        for chunk in chunks:
            if chunk.samples:
                chunk.sequence.append(7)
            scheduler.commit(chunk, 0)


def test_a_common_prefix_is_shared_and_only_the_rest_computed() -> None:
    scheduler = make_scheduler()
    first = make_sequence(100, max_tokens=1)
    scheduler.add(first)
    run(scheduler)
    second = make_sequence(100)
    scheduler.add(second)
    assert lengths(run(scheduler)) == {second: 4}
    assert second.generation.cached_tokens == 96


def test_a_fully_cached_prompt_still_computes_its_last_token() -> None:
    scheduler = make_scheduler()
    scheduler.add(make_sequence(64, max_tokens=1))
    run(scheduler)
    again = make_sequence(64)
    scheduler.add(again)
    assert lengths(run(scheduler)) == {again: 32}


def test_tenants_share_nothing() -> None:
    scheduler = make_scheduler()
    scheduler.add(make_sequence(100, max_tokens=1, tenant=Tenant("one")))
    run(scheduler)
    other = make_sequence(100, tenant=Tenant("other"))
    scheduler.add(other)
    assert lengths(run(scheduler)) == {other: 100}


def test_the_youngest_is_preempted_and_resumes_with_its_tokens() -> None:
    scheduler = make_scheduler(blocks=5)
    old, young = make_sequence(60, max_tokens=40), make_sequence(30, max_tokens=40, first=1000)
    scheduler.add(old)
    scheduler.add(young)
    preempted_tokens = None
    for _ in range(100):
        run(scheduler)
        if preempted_tokens is None and young in scheduler.waiting:
            preempted_tokens = list(young.tokens)
            assert not young.block_table.tolist()
    assert scheduler.preemptions > 0
    assert preempted_tokens is not None
    assert young.tokens[: len(preempted_tokens)] == preempted_tokens
    assert (old.num_output_tokens, young.num_output_tokens) == (40, 40)
    assert scheduler.pool.held == 0


def test_admission_waits_for_blocks_in_order_of_arrival() -> None:
    scheduler = make_scheduler(blocks=6)
    first, second, third = (make_sequence(100, first=n * 1000, max_tokens=20) for n in range(3))
    for sequence in (first, second, third):
        scheduler.add(sequence)
    run(scheduler)
    assert scheduler.running == [first]
    assert list(scheduler.waiting) == [second, third]
    scheduler.remove(first)
    run(scheduler)
    assert scheduler.running == [second]


def test_no_more_sequences_run_than_the_limit() -> None:
    scheduler = make_scheduler(limits=SchedulerLimits(max_running=2))
    for n in range(5):
        scheduler.add(make_sequence(10, first=n * 100))
    run(scheduler)
    assert len(scheduler.running) == 2


def test_removing_frees_at_once_wherever_the_sequence_is() -> None:
    scheduler = make_scheduler(blocks=4)
    running, waiting = make_sequence(100), make_sequence(100, first=1000)
    scheduler.add(running)
    scheduler.add(waiting)
    run(scheduler)
    scheduler.remove(waiting)
    scheduler.remove(running)
    scheduler.remove(running)
    assert scheduler.pool.held == 0
    assert scheduler.schedule() == []


def test_followers_share_full_blocks_and_copy_the_last() -> None:
    scheduler = make_scheduler()
    leader, follower = make_sequence(70), make_sequence(70, index=1)
    scheduler.add(leader)
    run(scheduler)
    source, target = scheduler.fork(leader, follower) or (0, 0)
    assert leader.block_table.tolist()[:2] == follower.block_table.tolist()[:2]
    assert (source, target) == (leader.block_table.tolist()[2], follower.block_table.tolist()[2])
    assert source != target
    assert follower.num_computed_tokens == 70


def test_a_follower_without_blocks_waits_and_finds_the_prompt_cached() -> None:
    scheduler = make_scheduler(blocks=3)
    leader, follower = make_sequence(70, max_tokens=1), make_sequence(70, index=1)
    scheduler.add(leader)
    [chunk] = scheduler.schedule()
    scheduler.commit(chunk, 0)
    assert scheduler.fork(leader, follower) is None
    scheduler.remove(leader)
    assert lengths(scheduler.schedule()) == {follower: 6}


def test_random_traffic_always_ends_and_leaks_nothing() -> None:
    import random

    for seed in range(30):
        chance = random.Random(seed)
        scheduler = make_scheduler(blocks=chance.randint(8, 20), limits=SchedulerLimits(4, 64, 16))
        sequences = [
            make_sequence(chance.randint(1, 150), max_tokens=chance.randint(1, 60), first=chance.choice([0, 0, 500]))
            for _ in range(12)
        ]
        pending = list(sequences)
        for _ in range(5000):
            if pending and chance.random() < 0.2:
                scheduler.add(pending.pop())
            if chance.random() < 0.01:
                scheduler.remove(chance.choice(sequences))
            run(scheduler, token=chance.randint(0, 99))
            if not pending and not scheduler.waiting and not scheduler.running:
                break
        assert scheduler.pool.held == 0, seed
        assert not scheduler.waiting, seed
