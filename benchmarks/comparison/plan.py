"""Which models are measured under which workloads, and how long that takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.load.schedule import Lengths
from benchmarks.models import BenchmarkModel
from benchmarks.workloads.closed_loop import ClosedLoop
from benchmarks.workloads.conversations import Conversations
from benchmarks.workloads.long_prompts import LongPrompts
from benchmarks.workloads.open_loop import OpenLoop
from benchmarks.workloads.quoting import NAME as QUOTING
from benchmarks.workloads.quoting import Quoting
from benchmarks.workloads.workload import Workload

TASK_MODELS: Final = ("0.4b-Q8_0", "0.4b-Q4_0", "smollm2")
"""The models of the table of goals."""


@dataclass(frozen=True, slots=True)
class Rates:
    """An open loop at growing rates: `first` requests per second, then `factor` times as many, until less than half of
    llama-server's answers are good, and at most `maximum` rates."""

    first: float
    factor: float
    maximum: int
    seconds: float
    prompt: Lengths = field(default_factory=lambda: Lengths(64, 0.7, 24, 600))
    answer: Lengths = field(default_factory=lambda: Lengths(32, 0.5, 8, 64))

    def workload(self, number: int) -> OpenLoop:
        """The load at the rate with that number, from 0."""
        return OpenLoop(self.first * self.factor**number, self.seconds, self.prompt, self.answer)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run of the comparison. `rounds`: by the name of a workload; 1 for the others. `limits`: whether the limits of
    the machine are measured. `http_rounds`: rounds of the HTTP path, 0 to leave it out."""

    name: str
    models: Sequence[str]
    closed: Sequence[ClosedLoop]
    rounds: dict[str, int]
    quoting_prompt: int
    quoting_answer: int
    long_prompts: LongPrompts
    conversations: Conversations
    rates: Rates
    http_rounds: int
    limits: bool = True

    def workloads(self) -> list[tuple[Workload, int]]:
        """The workloads of the model's own file, each with its number of rounds, in order."""
        loads: tuple[Workload, ...] = (*self.closed, self.long_prompts, self.conversations)
        return [(load, self.rounds.get(load.name, 1)) for load in loads]

    def with_models(self, models: Sequence[str]) -> "Plan":
        """The same plan for other models."""
        return replace(self, models=tuple(models))

    def with_rounds(self, factor: int) -> "Plan":
        """The same plan with so many times the rounds."""
        names = [*(load.name for load, _ in self.workloads()), QUOTING]
        return replace(self, rounds={name: factor * self.rounds.get(name, 1) for name in names})

    def quoting(self, model: BenchmarkModel) -> Quoting:
        """The answers that quote their prompt."""
        return Quoting(self.quoting_prompt, self.quoting_answer, model.successor)


FULL: Final = Plan(
    "full",
    TASK_MODELS,
    closed=(ClosedLoop(1, 256, 96), ClosedLoop(8, 256, 96), ClosedLoop(32, 256, 96)),
    rounds={"closed-1": 3},
    quoting_prompt=400,
    quoting_answer=120,
    long_prompts=LongPrompts(streams=8, count=3, prompt=2000, interval=2.0),
    conversations=Conversations(count=16, turns=8, system=1000, question=40, answer=24),
    rates=Rates(first=1.0, factor=2.0, maximum=3, seconds=16.0),
    http_rounds=2,
)

QUICK: Final = Plan(
    "quick",
    ("0.1b-Q8_0",),
    closed=(ClosedLoop(1, 128, 48), ClosedLoop(8, 128, 48), ClosedLoop(32, 128, 32)),
    rounds={"closed-1": 2, "quoting": 1},
    quoting_prompt=200,
    quoting_answer=72,
    long_prompts=LongPrompts(streams=8, count=1, prompt=2000, interval=1.0),
    conversations=Conversations(count=8, turns=3, system=500, question=40, answer=16),
    rates=Rates(first=2.0, factor=3.0, maximum=2, seconds=10.0),
    http_rounds=1,
)

TINY: Final = Plan(
    "tiny",
    ("tiny-Q8_0",),
    closed=(ClosedLoop(1, 48, 8), ClosedLoop(4, 48, 8)),
    rounds={},
    quoting_prompt=64,
    quoting_answer=24,
    long_prompts=LongPrompts(streams=2, count=1, prompt=300, interval=0.1, pause=0.1, answer=1500),
    conversations=Conversations(count=2, turns=2, system=100, question=30, answer=8),
    rates=Rates(first=10.0, factor=2.0, maximum=1, seconds=0.5),
    http_rounds=1,
)

PLANS: Final = {plan.name: plan for plan in (FULL, QUICK, TINY)}
