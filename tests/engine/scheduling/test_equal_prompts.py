"""Equal prompts that run together are computed once, and cached prompts go first: computed tokens are counted."""

import random

import pytest

from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.tenant import Tenant
from tests.engine.helpers import make_sequence
from tests.engine.scheduling.machine import A, B, Machine, fresh


def make_machine(blocks: int = 1000, limits: SchedulerLimits | None = None) -> Machine:
    return Machine(blocks, limits or SchedulerLimits(16, 256, 64))


def equal(count: int, length: int, tenant: Tenant = A, tail: int = 0, max_tokens: int = 4) -> list[Sequence]:
    """Sequences with the same first `length` tokens, and `tail` more that differ."""
    first = fresh(length, tenant, max_tokens)
    sequences = [make_sequence(length, max_tokens=max_tokens, tenant=tenant, first=first.tokens[0])]
    for number in range(1, count):
        sequence = make_sequence(length, max_tokens=max_tokens, tenant=tenant, first=first.tokens[0])
        sequence.tokens += [10**12 + number * 10**6 + place for place in range(tail)]
        sequence.num_prompt_tokens = len(sequence.tokens)
        sequences.append(sequence)
    return sequences


def prompt_tokens(machine: Machine, sequences: list[Sequence]) -> int:
    """Runs to the end; the computed tokens less those of outputs, of which the last is never computed."""
    machine.until(lambda: machine.finished >= set(sequences))
    return sum(machine.computed.values()) - sum(sequence.num_output_tokens - 1 for sequence in sequences)


@pytest.mark.parametrize("length", [33, 64, 65, 250, 1000, 1001])
def test_equal_prompts_that_arrive_together_are_computed_once(length: int) -> None:
    machine = make_machine()
    sequences = machine.add(equal(6, length))
    shared = (length - 1) // 32 * 32
    assert prompt_tokens(machine, sequences) == length + 5 * (length - shared)
    assert sorted(sequence.generation.cached_tokens for sequence in sequences) == [0] + [shared] * 5
    assert machine.pool.held == 0


def test_an_equal_prompt_that_arrives_later_catches_up() -> None:
    machine = make_machine()
    [first, second] = equal(2, 2000)
    machine.add([first])
    machine.step()
    machine.add([second])
    assert prompt_tokens(machine, [first, second]) == 2000 + 16
    assert second.generation.cached_tokens == 1984


def test_a_common_prefix_is_computed_once() -> None:
    machine = make_machine()
    sequences = machine.add(equal(5, 640, tail=100))
    assert prompt_tokens(machine, sequences) == 640 + 4 * 100


def test_tenants_compute_for_themselves() -> None:
    machine = make_machine()
    [mine] = equal(1, 320)
    theirs = make_sequence(320, max_tokens=4, tenant=B, first=mine.tokens[0])
    assert prompt_tokens(machine, machine.add([mine, theirs])) == 640


def test_the_others_continue_when_the_computing_one_is_cancelled() -> None:
    machine = make_machine()
    sequences = machine.add(equal(3, 1000))
    machine.step()
    machine.step()
    [computing] = [sequence for sequence in sequences if sequence.num_charged_tokens]
    machine.scheduler.remove(computing)
    others = [sequence for sequence in sequences if sequence is not computing]
    machine.until(lambda: machine.finished >= set(others))
    assert sum(machine.computed.values()) < 1000 + 8 + 2 * 4 + 64
    assert machine.pool.held == 0


def test_a_short_prompt_leads_a_longer_one_with_the_same_beginning() -> None:
    """It is computed first, and the longer one, which came before, goes on from there."""
    machine = make_machine()
    [long, short] = equal(2, 640)
    long.tokens += range(10**13, 10**13 + 3000)
    long.num_prompt_tokens = len(long.tokens)
    machine.add([long, short])
    assert machine.until(lambda: short.num_output_tokens == 1) == 3
    assert prompt_tokens(machine, [long, short]) <= 3640 + 32


@pytest.mark.parametrize("seed", range(8))
def test_any_equal_prompts_end_and_leak_nothing(seed: int) -> None:
    """Few blocks, so that sequences are preempted; all count blocks that they share once."""
    chance = random.Random(seed)
    machine = make_machine(chance.randint(20, 60), SchedulerLimits(8, chance.choice([32, 100, 256]), 48))
    groups = [
        equal(chance.randint(1, 6), chance.randint(1, 400), chance.choice([A, B]), chance.randint(0, 90), 40)
        for _ in range(8)
    ]
    pending = [sequence for group in groups for sequence in group]
    everything = set(pending)
    chance.shuffle(pending)
    while pending or not machine.idle:
        if pending and chance.random() < 0.4:
            machine.add([pending.pop()])
        machine.step()
        assert sum(tenant.num_blocks for tenant in machine.scheduler._tenants) == machine.pool.held
        assert machine.steps < 5000
    assert machine.finished == everything
    assert machine.pool.held == 0


def test_waiting_prompts_with_more_cached_tokens_go_first() -> None:
    machine = make_machine(limits=SchedulerLimits(1, 256, 64))
    [known, again] = equal(2, 320)
    machine.add([known])
    machine.until(lambda: known in machine.finished)
    [running] = machine.add([fresh(20, A, 30)])
    machine.step()
    [other] = machine.add([fresh(320, A, 4)])
    machine.add([again])
    machine.until(lambda: again in machine.finished)
    assert running in machine.finished
    assert other not in machine.finished


def test_an_uncached_prompt_is_overtaken_at_most_a_few_times() -> None:
    machine = make_machine(limits=SchedulerLimits(1, 256, 64))
    known, *cached = equal(40, 320, max_tokens=1)
    machine.add([known])
    machine.until(lambda: known in machine.finished)
    [other] = machine.add([fresh(320, A, 1)])
    machine.add(cached)
    machine.until(lambda: other in machine.finished)
    assert len(machine.finished & set(cached)) == 8
