"""The number of tokens that fit into a step, by its predicted duration."""

from typing import Final

from forefront.engine.scheduling.draft_cost import DraftCost
from forefront.engine.scheduling.step_cost import StepCost, StepSize

# The minimum time of late prompts in a step, relative to the time of its decodes. On a slow machine decodes take most
# of the target, and with few prompt tokens per step few sequences would decode together.
_LATE_PART: Final = 1.5
# The greatest excess over predictions that lowers the budget: on a busy machine prompts must progress too.
_MARGIN: Final = 0.5
# The part of the target that a step may take while new tenants arrive, and the seconds for which that holds.
_CONTENDED_PART: Final = 0.25
_CONTENDED_SECONDS: Final = 2.0
# The maximum time of prompts in a step while new tenants arrive, relative to the constant cost of a step, which then
# takes a third of it.
_CONTENDED_CONSTANTS: Final = 2.0
# The minimum chunk in a step without decodes: per token nine tenths as fast as the whole prompt at once. A larger chunk
# may take this many targets, because a request that arrives meanwhile waits for its end.
_MIN_ALONE: Final = 256
_ALONE: Final = 2.0
# Tokens of a block in the CPU plugin's int8 products. A partly filled block takes the time of a whole one. With two
# threads, a step of 65 tokens takes 1.65 times as long as one of 64.
_BLOCK: Final = 64


class StepBudget:
    """Budgets of tokens that keep a step within a target of duration, by measured durations.

    `target`: seconds that 95 % of steps with decodes shall not exceed. `maximum`: of tokens of prompts and drafts in a
    step. `first`: how many beside decodes until steps have been measured. Steps are short for a while after
    `contend`, because the first token of a tenant that arrives waits for the running step. While prompts are late, a
    step may exceed the target: it takes up to 2.5 times the time of its decodes.
    """

    def __init__(self, target: float, maximum: int, first: int) -> None:
        self.cost = StepCost()
        self.draft_cost = DraftCost()
        self._target, self._maximum, self._first = target, maximum, first
        self._largest = first  # the most tokens of a measured step
        self._elapsed = 0.0
        self._contended_until = 0.0

    @property
    def elapsed(self) -> float:
        """The seconds of all measured steps."""
        return self._elapsed

    @property
    def contended(self) -> bool:
        """Whether a tenant arrived beside a busy one less than two seconds ago."""
        return self._elapsed < self._contended_until

    def contend(self) -> None:
        """Note that a tenant has arrived beside a busy one."""
        self._contended_until = self._elapsed + _CONTENDED_SECONDS

    def tokens_beside(self, size: StepSize, context: float = 0.0, *, late: bool = False) -> int:
        """The number of tokens of prompts or drafts that fit into a step beside `size`, each attending to `context`
        tokens. `late`: a prompt has waited longer than its target."""
        if not self.cost.measured:
            return self._first
        base = self.cost.seconds(size)
        goal = self._goal() / (1 + min(self.cost.margin, _MARGIN))
        # A third of the step is for prompts in any case; half where decodes alone take the goal. The constant cost of a
        # step would otherwise be paid for few tokens.
        minimum = base * (_LATE_PART if late else min(max(base / goal, 0.5), 1.0))
        seconds = goal - base
        if self.contended:
            minimum, seconds = base / 2, min(seconds, self._contended_seconds())
        return _rounded(self._fitting(max(seconds, minimum), context), size.decodes + size.tokens)

    def tokens_alone(self, context: float = 0.0) -> int:
        """The chunk of prompts in a step without decodes, each token attending to `context` tokens."""
        if not self.cost.measured:
            return min(_MIN_ALONE, self._maximum)
        seconds, minimum = _ALONE * self._goal(), _MIN_ALONE
        if self.contended:
            seconds, minimum = min(seconds, self._contended_seconds()), _BLOCK
        return min(_rounded(max(self._fitting(seconds, context), minimum), 0), self._maximum)

    def record(self, size: StepSize, seconds: float) -> None:
        """Learn from a step that took `seconds`."""
        self.cost.record(size, seconds)
        self.draft_cost.record(size, seconds)
        self._elapsed += max(seconds, 0.0)
        self._largest = max(self._largest, size.tokens)

    def _goal(self) -> float:
        return self._target * _CONTENDED_PART if self.contended else self._target

    def _contended_seconds(self) -> float:
        return _CONTENDED_CONSTANTS * self.cost.seconds(StepSize())

    def _fitting(self, seconds: float, context: float) -> int:
        """The number of tokens that take `seconds`, at most twice the largest measured number: predictions beyond that
        are unreliable."""
        maximum = min(self._maximum, 2 * self._largest)
        each = self.cost.token_seconds(context)
        return int(seconds / each) if seconds < each * maximum else maximum


def _rounded(tokens: int, others: int) -> int:
    """`tokens`, at least 1, rounded down to whole steps of `_BLOCK` tokens, if that keeps more than half of them. Few
    sizes of steps also mean few kernels: each size is compiled once."""
    total = tokens + others
    rounded = (total // _BLOCK * _BLOCK if total > _BLOCK else total) - others
    return max(rounded if rounded > tokens // 2 else tokens, 1)
