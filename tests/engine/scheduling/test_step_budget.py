"""Budgets of tokens that follow measured durations, on a real scheduler whose steps take a computed time."""

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from forefront.engine.scheduling.scheduled_chunk import step_size
from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.step_budget import StepBudget
from forefront.engine.scheduling.step_cost import StepCost, StepSize
from tests.engine.scheduling.machine import A, Machine, fresh


@dataclass(frozen=True)
class Processor:
    """Seconds of a step: constant, of a decode, of a token of its context, of another token, of one that it attends to.
    `noise`: the standard deviation of a duration's logarithm. One step in 50 takes five times as long."""

    constant: float = 0.017
    decode: float = 1.5e-3
    decode_context: float = 1.3e-6
    token: float = 0.8e-3
    attended: float = 0.3e-6
    noise: float = 0.05
    outliers: float = 0.02

    def seconds(self, size: StepSize, chance: random.Random, slower: float = 1.0) -> float:
        parts = (self.constant, self.decode, self.decode_context, self.token, self.attended)
        seconds = sum(part * count for part, count in zip(parts, (1, *size), strict=True))
        outlier = 5.0 if chance.random() < self.outliers else 1.0
        return slower * seconds * math.exp(chance.gauss(0, self.noise)) * outlier


# From a fast device with a costly start of each step to a machine that 32 decodes nearly fill.
PROCESSORS = {
    "two cores": Processor(),
    "small model": Processor(3e-3, 0.3e-3, 0.3e-6, 0.2e-3, 0.05e-6),
    "accelerator": Processor(8e-3, 0.05e-3, 5e-9, 0.02e-3, 2e-9),
}


class TimedMachine(Machine):
    """Steps take the time that a processor needs for them."""

    def __init__(self, processor: Processor, limits: SchedulerLimits, seed: int = 0) -> None:
        super().__init__(blocks=8000, limits=limits)
        self.processor, self.chance, self.slower = processor, random.Random(seed), 1.0
        self.now = 0.0
        self.sizes: list[tuple[StepSize, float]] = []
        self.first_tokens: dict[Sequence, float] = {}

    def timed_step(self) -> None:
        chunks = self.scheduler.schedule()
        size = step_size(chunks)
        finished = [chunk.sequence for chunk in chunks if chunk.samples and chunk.sequence.append(10**9)[1]]
        for chunk in chunks:
            self.scheduler.commit(chunk, 0)
        seconds = self.processor.seconds(size, self.chance, self.slower)
        self.scheduler.step_budget.record(size, seconds)
        self.now += seconds
        self.sizes.append((size, seconds))
        for chunk in chunks:
            if chunk.sequence.num_output_tokens == 1:
                self.first_tokens.setdefault(chunk.sequence, self.now)
        for sequence in finished:
            self.scheduler.remove(sequence)
            self.finished.add(sequence)

    def timed_until(self, condition: Callable[[], bool], most: int = 20_000) -> None:
        for _ in range(most):
            if condition():
                return
            self.timed_step()
        raise AssertionError("too many steps")


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * len(values))]


def beside_decodes(machine: TimedMachine, since: int = 0) -> list[tuple[StepSize, float]]:
    return [(size, seconds) for size, seconds in machine.sizes[since:] if size.decodes and size.tokens]


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
    machine = TimedMachine(PROCESSORS["two cores"], SchedulerLimits(max_running=16))
    flood(machine, 5)
    usual = statistics.median(size.tokens for size, _ in beside_decodes(machine)[-40:])
    machine.slower, begin = 2.0, len(machine.sizes)
    machine.timed_until(lambda: len(machine.sizes) > begin + 60)
    steps = beside_decodes(machine, since=begin + 30)
    assert statistics.median(seconds for _, seconds in steps) < 0.12
    assert statistics.median(size.tokens for size, _ in steps) < 0.6 * usual
    machine.slower, begin = 1.0, len(machine.sizes)
    machine.timed_until(lambda: len(machine.sizes) > begin + 120)
    assert statistics.median(size.tokens for size, _ in beside_decodes(machine, begin)[-30:]) > 0.7 * usual


def test_prompts_progress_beside_decodes_that_exceed_the_target_alone() -> None:
    processor = Processor(constant=0.1, decode=10e-3)
    machine = TimedMachine(processor, SchedulerLimits(max_running=16))
    flood(machine, 60)
    steps = beside_decodes(machine, since=50)
    prompts = sum(size.tokens * processor.token for size, _ in steps)
    assert 0.2 < prompts / sum(seconds for _, seconds in steps) < 0.45


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


def test_long_decoding_leaves_the_cost_of_prompts_known() -> None:
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
    budget = StepBudget(0.1, most=4096, first=64)
    assert budget.tokens_beside(StepSize(8, 800)) == 64
    budget.record(StepSize(0, 0, 10, 50), 1e-4)
    assert budget.tokens_beside(StepSize(8, 800)) <= 128
    assert budget.tokens_alone() == 256


def test_equal_durations_give_equal_steps() -> None:
    def steps() -> list[StepSize]:
        machine = TimedMachine(PROCESSORS["small model"], SchedulerLimits(max_running=16), seed=5)
        flood(machine, 2)
        return [size for size, _ in machine.sizes]

    assert steps() == steps()
