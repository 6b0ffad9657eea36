"""Budgets of tokens that follow measured durations, on a real scheduler whose steps take a computed time."""

import math
import random
import statistics
from dataclasses import replace

import pytest

from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.scheduling.step_budget import StepBudget
from forefront.engine.scheduling.step_cost import StepCost, StepSize
from forefront.fairness.tenant import Tenant
from tests.engine.scheduling.machine import A, B, fresh
from tests.engine.scheduling.timed_machine import PROCESSORS, SLOW_CORES, Processor, TimedMachine


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * len(values))]


def beside_decodes(machine: TimedMachine, since: int = 0) -> list[tuple[StepSize, float]]:
    return [(size, seconds) for size, seconds in machine.sizes[since:] if size.decodes and size.tokens]


def part_of_prompts(machine: TimedMachine) -> float:
    """The part of prompts in the time of steps that have decodes too."""
    steps = beside_decodes(machine, since=50)
    return sum(size.tokens * machine.processor.token for size, _ in steps) / sum(seconds for _, seconds in steps)


def flood(machine: TimedMachine, seconds: float, streams: int = 8) -> None:
    """So many streams decode, and prompts of 2,000 tokens never end."""
    machine.add(fresh(60, A, 10**6) for _ in range(streams))
    machine.timed_until(lambda: all(sequence.decoding for sequence in machine.scheduler.running))
    end = machine.now + seconds

    def over() -> bool:
        if machine.scheduler.waiting_count < 2:
            machine.add(fresh(2000, A, 4) for _ in range(4))
        return machine.now > end

    machine.timed_until(over)


@pytest.mark.parametrize("name", PROCESSORS)
def test_steps_with_decodes_meet_the_target_and_prompts_get_the_rest(name: str) -> None:
    processor = PROCESSORS[name]
    limits = SchedulerLimits(max_running=16, prefill_tokens=512)
    machine = TimedMachine(processor, limits)
    flood(machine, 10)
    steps = beside_decodes(machine, since=50)
    assert quantile([seconds for _, seconds in steps], 0.95) < 1.15 * limits.inter_token_latency
    # The median step fills most of the target, or has the most tokens.
    full = statistics.median(seconds for _, seconds in steps) > 0.7 * limits.inter_token_latency
    assert full or statistics.median(size.tokens for size, _ in steps) > 0.9 * limits.prefill_tokens - 32


def test_the_budget_follows_the_speed_of_the_machine() -> None:
    # On a slower machine late prompts would take steps beyond the target.
    machine = TimedMachine(PROCESSORS["two cores"], SchedulerLimits(max_running=16, first_token_latency=3600))
    flood(machine, 5)
    usual = statistics.median(size.tokens for size, _ in beside_decodes(machine)[-40:])
    machine.slower, begin = 1.5, len(machine.sizes)
    machine.timed_until(lambda: len(machine.sizes) > begin + 60)
    steps = beside_decodes(machine, since=begin + 30)
    assert statistics.median(seconds for _, seconds in steps) < 0.115
    assert statistics.median(size.tokens for size, _ in steps) < 0.75 * usual
    machine.slower, begin = 1.0, len(machine.sizes)
    machine.timed_until(lambda: len(machine.sizes) > begin + 120)
    assert statistics.median(size.tokens for size, _ in beside_decodes(machine, begin)[-30:]) > 0.7 * usual


def test_prompts_progress_beside_decodes_that_exceed_the_target_alone() -> None:
    processor = Processor(constant=0.1, decode=10e-3)
    machine = TimedMachine(processor, SchedulerLimits(max_running=16, first_token_latency=3600))
    flood(machine, 60)
    assert 0.2 < part_of_prompts(machine) < 0.45


def test_late_prompts_get_most_of_a_step_where_the_decodes_are_slow() -> None:
    """Prompts of 2,000 tokens are late, so their steps may exceed the target, by the time of the decodes at most."""
    machine = TimedMachine(replace(SLOW_CORES, outliers=0), SchedulerLimits(max_running=16))
    flood(machine, 60)
    assert 0.5 < part_of_prompts(machine) < 0.65


def test_exceeding_the_target_for_late_prompts_shortens_a_burst_on_a_slow_machine() -> None:
    def burst(patience: float) -> tuple[float, float]:
        machine = TimedMachine(SLOW_CORES, SchedulerLimits(first_token_latency=patience))
        streams = machine.add(fresh(270, A, 96) for _ in range(32))
        machine.timed_until(lambda: machine.idle)
        return machine.now, statistics.median(machine.token_times[stream][0] for stream in streams)

    (seconds, first), (strict_seconds, strict_first) = burst(1.0), burst(3600)
    assert seconds < 0.9 * strict_seconds
    assert first < 0.85 * strict_first


def test_steps_meet_the_target_until_a_prompt_is_late() -> None:
    limits = SchedulerLimits(max_running=16, first_token_latency=3)
    machine = TimedMachine(replace(SLOW_CORES, outliers=0), limits)
    streams = machine.add(fresh(60, A, 10**6) for _ in range(8))
    machine.timed_until(lambda: all(stream.decoding for stream in streams))
    machine.add([fresh(270, A, 2)])
    machine.timed_until(lambda: all(stream.decoding for stream in machine.scheduler.running))
    since, arrived = len(machine.sizes), machine.now
    machine.add([fresh(2000, A, 2)])
    machine.timed_until(lambda: machine.now > arrived + 2.8)
    punctual = [seconds for _, seconds in beside_decodes(machine, since)]
    machine.timed_until(lambda: machine.now > arrived + 3.2)
    since = len(machine.sizes)
    machine.timed_until(lambda: machine.now > arrived + 5)
    late = [seconds for _, seconds in beside_decodes(machine, since)]
    assert quantile(punctual, 0.95) < 1.15 * limits.inter_token_latency < statistics.median(late)
    assert statistics.median(late) < 3 * machine.processor.seconds(StepSize(8, 8 * 200), random.Random(1))


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_chunk_without_decodes_is_efficient_and_not_too_long(name: str) -> None:
    processor = PROCESSORS[name]
    machine = TimedMachine(processor, SchedulerLimits(max_running=16))
    machine.add(fresh(4000, A, 1) for _ in range(4))
    machine.timed_until(lambda: machine.idle)
    steps = machine.sizes[10:-4]
    tokens = statistics.median(size.tokens for size, _ in steps)
    assert tokens == (256 if name == "two cores" else 512)
    assert statistics.median(seconds for _, seconds in steps) < 0.5


def test_long_decoding_keeps_the_learned_cost_of_prompts() -> None:
    cost, chance, processor = StepCost(), random.Random(3), Processor()
    for tokens in (64, 128, 256) * 10:
        for decodes in (0, 8):
            size = StepSize(decodes, decodes * 300, tokens, tokens * 400)
            cost.record(size, processor.seconds(size, chance))
    known = cost.token_seconds(400)
    assert known == pytest.approx(processor.token + 400 * processor.attended, rel=0.25)
    for step in range(3000):
        size = StepSize(8, 8 * (300 + step))
        cost.record(size, processor.seconds(size, chance))
    assert cost.token_seconds(400) == pytest.approx(known, rel=0.2)


def test_outliers_and_absurd_durations_change_a_prediction_little() -> None:
    cost, size = StepCost(), StepSize(8, 2400, 64, 6400)
    for _ in range(50):
        cost.record(size, 0.1)
    for seconds in (30.0, 0.0, -1.0, math.nan, math.inf):
        cost.record(size, seconds)
    assert cost.seconds(size) == pytest.approx(0.1, rel=0.1)


def test_predictions_are_not_trusted_far_beyond_what_was_measured() -> None:
    budget = StepBudget(0.1, maximum=4096, first=64)
    assert budget.tokens_beside(StepSize(8, 800)) == 64
    budget.record(StepSize(0, 0, 10, 50), 1e-4)
    assert budget.tokens_beside(StepSize(8, 800)) <= 128
    assert budget.tokens_alone() == 256


def test_steps_beside_decodes_are_whole_blocks_of_products() -> None:
    machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=16))
    flood(machine, 10)
    totals = [size.decodes + size.tokens for size, _ in beside_decodes(machine, since=20)]
    assert sum(total % 64 == 0 for total in totals) > 0.8 * len(totals)


def test_equal_durations_give_equal_steps() -> None:
    def steps() -> list[StepSize]:
        machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=16), seed=5)
        flood(machine, 2)
        return [size for size, _ in machine.sizes]

    assert steps() == steps()


def test_a_short_prompt_beside_long_ones_gets_a_short_step() -> None:
    machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=64))
    machine.add(fresh(60, A, 10**6) for _ in range(8))
    machine.add(fresh(4000, A, 2) for _ in range(12))
    for _ in range(60):
        machine.timed_step()
    usual = statistics.median(seconds for _, seconds in beside_decodes(machine)[-40:])
    begin, waits = len(machine.sizes), []
    for _ in range(20):
        [short] = machine.add([fresh(20, A, 2)])
        arrived = machine.now
        machine.timed_until(lambda short=short: short in machine.token_times)  # type: ignore[misc]
        waits.append(machine.token_times[short][0] - arrived)
    assert statistics.median(waits) < 1.3 * usual
    assert min(waits) < 0.4 * usual
    # The long ones progress: every other step is whole.
    assert statistics.mean(size.tokens for size, _ in beside_decodes(machine, begin)) > 100


def test_steps_are_short_while_another_tenant_arrives() -> None:
    machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=16))
    flood(machine, 2)
    usual = statistics.median(seconds for _, seconds in beside_decodes(machine)[-40:])
    waits = []
    for _ in range(10):
        [late] = machine.add([fresh(30, B, 2)])
        arrived = machine.now
        machine.timed_until(lambda late=late: late in machine.finished)  # type: ignore[misc]
        waits.append(machine.token_times[late][0] - arrived)
        for _ in range(3):
            machine.timed_step()
    assert statistics.median(waits) < 0.3 * usual
    flood(machine, 4, streams=0)
    assert statistics.median(seconds for _, seconds in beside_decodes(machine)[-10:]) > 0.7 * usual


def test_a_new_tenant_beside_long_prompts_waits_for_few_tokens() -> None:
    """Steps of prompts alone took 192 tokens, and 41 ms on this processor, whose step costs 3 ms."""
    machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=64))
    machine.add(fresh(2000, A, 1) for _ in range(100))
    for _ in range(60):
        machine.timed_step()
    waits, others = [], []
    for _ in range(20):
        [late] = machine.add([fresh(30, B, 1)])
        arrived = machine.now
        begin = len(machine.sizes)
        machine.timed_until(lambda late=late: late in machine.finished)  # type: ignore[misc]
        waits.append(machine.token_times[late][0] - arrived)
        for _ in range(5):
            machine.timed_step()
        others += [size.tokens for size, _ in machine.sizes[begin + 1 :] if size.tokens > 30]
    assert statistics.median(others) <= 64
    assert statistics.median(waits) < 4 * machine.processor.seconds(StepSize(tokens=30), random.Random(1))


def test_arriving_tenants_take_at_most_every_second_step() -> None:
    machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=64))
    streams = machine.add(fresh(60, A, 10**6) for _ in range(10))
    machine.timed_until(lambda: all(sequence.decoding for sequence in streams))
    before = [len(machine.token_times[stream]) for stream in streams]
    for number in range(100):
        machine.add([fresh(40, Tenant(f"t{number}"), 1)])
        machine.timed_step()
    after = [len(machine.token_times[stream]) for stream in streams]
    assert min(late - early for early, late in zip(before, after, strict=True)) >= 50


def test_tenants_with_few_sequences_each_leave_steps_long() -> None:
    machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=64))
    for number in range(6):
        machine.add(fresh(60, Tenant(f"t{number}"), 100) for _ in range(2))
        machine.timed_step()
    assert not machine.scheduler.step_budget.contended
    machine.add(fresh(60, A, 100) for _ in range(8))
    assert not machine.scheduler.step_budget.contended
    machine.add([fresh(60, B, 100)])
    assert machine.scheduler.step_budget.contended
