"""A scheduler whose steps take the time that a processor would need for them."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from forefront.engine.scheduling.scheduled_chunk import step_size
from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.step_cost import StepSize
from tests.engine.scheduling.machine import Machine


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
        seconds = sum(part * count for part, count in zip(parts, (1, *size[:4]), strict=True))
        outlier = 5.0 if chance.random() < self.outliers else 1.0
        return slower * seconds * math.exp(chance.gauss(0, self.noise)) * outlier


# From a fast device with a costly start of each step to a machine that 32 decodes nearly fill.
PROCESSORS = {
    "two cores": Processor(),
    "small model": Processor(3e-3, 0.3e-3, 0.3e-6, 0.2e-3, 0.05e-6),
    "accelerator": Processor(8e-3, 0.05e-3, 5e-9, 0.02e-3, 2e-9),
}

# Eight decodes take more than half of the usual target.
SLOW_CORES = Processor(0.029, 3.2e-3, 1.3e-6, 2.8e-3, 0.3e-6)


class TimedMachine(Machine):
    """Steps take the time that a processor needs for them."""

    def __init__(self, processor: Processor, limits: SchedulerLimits, seed: int = 0) -> None:
        super().__init__(blocks=8000, limits=limits)
        self.processor, self.chance, self.slower = processor, random.Random(seed), 1.0
        self.now = 0.0
        self.sizes: list[tuple[StepSize, float]] = []
        self.token_times: dict[Sequence, list[float]] = {}

    def timed_step(self) -> None:
        chunks = self.scheduler.schedule()
        size = step_size(chunks)
        sampled = [chunk.sequence for chunk in chunks if chunk.samples]
        finished = [sequence for sequence in sampled if sequence.append(10**9)[1]]
        for chunk in chunks:
            self.scheduler.commit(chunk, 0)
        seconds = self.processor.seconds(size, self.chance, self.slower)
        self.scheduler.step_budget.record(size, seconds)
        self.now += seconds
        self.sizes.append((size, seconds))
        for sequence in sampled:
            self.token_times.setdefault(sequence, []).append(self.now)
        for sequence in finished:
            self.scheduler.remove(sequence)
            self.finished.add(sequence)

    def timed_until(self, condition: Callable[[], bool], maximum: int = 20_000) -> None:
        for _ in range(maximum):
            if condition():
                return
            self.timed_step()
        raise AssertionError("too many steps")
