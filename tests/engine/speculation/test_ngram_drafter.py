"""Drafts by n-grams, without a model."""

import random

from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.scheduling.drafter import DraftRequest
from forefront.engine.scheduling.scheduler import Scheduler, SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.speculation.ngram_drafter import NgramDrafter
from forefront.fairness.tenant import Tenant
from tests.engine.helpers import make_sequence

A, B = Tenant("a"), Tenant("b")


def draft(drafter: NgramDrafter, sequence: Sequence, maximum: int = 8) -> list[int]:
    [proposed] = drafter.propose([DraftRequest(sequence, maximum)], 0.08)
    return list(proposed.tokens)


def say(sequence: Sequence, tokens: list[int]) -> None:
    for token in tokens:
        sequence.append(token)


def finish(drafter: NgramDrafter, tenant: Tenant, output: list[int]) -> None:
    """An output of the tenant, which ends."""
    sequence = make_sequence(3, max_tokens=1000, tenant=tenant, first=10**6)
    say(sequence, output)
    draft(drafter, sequence)
    drafter.forget(sequence)


def test_a_quotation_of_the_prompt_is_continued() -> None:
    drafter, sequence = NgramDrafter(), make_sequence(100, max_tokens=100)
    say(sequence, [500, 40])
    assert draft(drafter, sequence) == []
    say(sequence, [41])
    first = draft(drafter, sequence)
    assert first == list(range(42, 42 + len(first)))
    assert first
    say(sequence, [*first, 42 + len(first)])
    drafter.verified(sequence, len(first), len(first), 0.08)
    second = draft(drafter, sequence)
    assert second == list(range(43 + len(first), 43 + len(first) + len(second)))
    assert len(second) > len(first)


def test_a_quotation_is_found_again_after_a_deviation() -> None:
    drafter, sequence = NgramDrafter(), make_sequence(100, max_tokens=100)
    say(sequence, [40, 41, 42])
    assert draft(drafter, sequence)[:2] == [43, 44]
    drafter.verified(sequence, 2, 0, 0.08)
    say(sequence, [900])
    assert draft(drafter, sequence) == []
    say(sequence, [45, 46, 47])
    assert draft(drafter, sequence)[:1] == [48]


def test_a_period_is_continued_beyond_the_end_of_the_text() -> None:
    drafter, sequence = NgramDrafter(), make_sequence(5, max_tokens=100)
    say(sequence, [7, 8, 9, 7, 8, 9, 7])
    proposed = draft(drafter, sequence)
    assert len(proposed) > 3
    assert proposed == ([8, 9, 7] * 4)[: len(proposed)]


def test_the_latest_occurrence_is_the_source() -> None:
    drafter, sequence = NgramDrafter(), make_sequence(3, max_tokens=100)
    say(sequence, [7, 8, 9, 1, 5, 7, 8, 9, 2, 6, 7, 8, 9])
    assert draft(drafter, sequence, 1) == [2]


def test_an_output_is_a_source_for_its_tenant_alone() -> None:
    drafter = NgramDrafter()
    finish(drafter, A, list(range(2000, 2040)))
    ours, foreign = (make_sequence(3, max_tokens=100, tenant=tenant) for tenant in (A, B))
    for sequence in (ours, foreign):
        say(sequence, [2010, 2011, 2012])
    proposed = draft(drafter, ours)
    assert proposed == list(range(2013, 2013 + len(proposed)))
    assert proposed
    assert draft(drafter, foreign) == []


def test_no_draft_goes_beyond_the_end_of_an_output() -> None:
    drafter = NgramDrafter()
    finish(drafter, A, list(range(2000, 2010)))
    finish(drafter, A, list(range(3000, 3010)))
    sequence = make_sequence(3, max_tokens=100, tenant=A)
    say(sequence, list(range(2000, 2008)))
    assert draft(drafter, sequence) == [2008, 2009]


def test_ended_sequences_keep_only_their_outputs() -> None:
    drafter = NgramDrafter()
    for n in range(500):
        finish(drafter, Tenant(f"t{n}"), list(range(30)))
    assert not drafter._repetitions
    drafter.forget(make_sequence(3))


def test_random_traffic_with_ngrams_always_ends_and_leaks_nothing() -> None:
    """Outputs of few tokens, so that drafts are many, some of them right."""
    for seed in range(20):
        chance, drafter = random.Random(seed), NgramDrafter()
        limits = SchedulerLimits(4, 64, 16, 256, chance.randint(1, 90))
        scheduler = Scheduler(BlockPool(chance.randint(8, 20), 32), limits, drafter)
        sequences = [
            make_sequence(chance.randint(1, 150), max_tokens=chance.randint(1, 60), tenant=chance.choice([A, B]))
            for _ in range(12)
        ]
        pending, drafted = list(sequences), 0
        while pending or scheduler.waiting or scheduler.running:
            if pending and chance.random() < 0.2:
                scheduler.add(pending.pop())
            if chance.random() < 0.01:
                scheduler.remove(chance.choice(sequences))
            if chance.random() < 0.02 and scheduler.running:
                scheduler.suspend(paused := chance.choice(scheduler.running))
                scheduler.resume(paused)
            for chunk in scheduler.schedule():
                sequence, accepted, finish = chunk.sequence, 0, None
                room = len(sequence.block_table) * 32
                assert sequence.num_computed_tokens + chunk.num_tokens + len(chunk.draft) <= room
                drafted += len(chunk.draft)
                if chunk.samples:
                    accepted = chance.randint(0, len(chunk.draft))
                    for token in [*chunk.draft[:accepted], chance.randint(0, 2)]:
                        _, finish = sequence.append(token)
                scheduler.commit(chunk, accepted)
                if finish:
                    scheduler.remove(sequence)
            held = {block for sequence in scheduler.running for block in sequence.block_table.tolist()}
            assert scheduler.pool.held == len(held)
        assert drafted
        assert scheduler.pool.held == 0
        assert not drafter._repetitions
