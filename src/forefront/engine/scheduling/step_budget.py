"""The number of tokens that fit into a step, by its predicted duration."""

from typing import Final

from forefront.engine.scheduling.step_cost import StepCost, StepSize

# Prompts get at least this part of a step, even if its decodes alone take longer than the target.
_LEAST_PART: Final = 1 / 3
# The chunk without decodes, at least: nine tenths as fast for each token as the whole prompt at once. A larger one may
# take so many targets, since a request that arrives meanwhile waits for its end.
_LEAST_ALONE: Final = 256
_ALONE: Final = 2.0


class StepBudget:
    """Budgets of tokens that keep a step within a target of duration, by measured durations.

    `target`: seconds that 95 % of steps with decodes shall not exceed. `most`: the most tokens of prompts and drafts in
    a step. `first`: how many beside decodes until steps have been measured.
    """

    def __init__(self, target: float, most: int, first: int) -> None:
        self.cost = StepCost()
        self._target, self._most, self._first = target, most, first
        self._largest = first  # the most tokens of a measured step

    def tokens_beside(self, size: StepSize, context: float = 0.0) -> int:
        """How many tokens of prompts or drafts fit into a step beside `size`, each attending to `context` tokens."""
        if not self.cost.measured:
            return self._first
        base = self.cost.seconds(size)
        room = self._target / (1 + self.cost.margin) - base
        least = base * _LEAST_PART / (1 - _LEAST_PART)
        return _rounded(self._fitting(max(room, least), context), size.decodes + size.tokens)

    def tokens_alone(self, context: float = 0.0) -> int:
        """The chunk of prompts in a step without decodes, each token attending to `context` tokens."""
        fitting = self._fitting(_ALONE * self._target, context) if self.cost.measured else 0
        return min(_rounded(max(fitting, _LEAST_ALONE), 0), self._most)

    def record(self, size: StepSize, seconds: float) -> None:
        """Learn from a step that took `seconds`."""
        self.cost.record(size, seconds)
        self._largest = max(self._largest, size.tokens)

    def _fitting(self, seconds: float, context: float) -> int:
        """How many tokens take `seconds`. At most twice as many as ever measured: predictions do not reach further."""
        most = min(self._most, 2 * self._largest)
        each = self.cost.token_seconds(context)
        return int(seconds / each) if seconds < each * most else most


def _rounded(tokens: int, others: int) -> int:
    """`tokens`, at least 1, rounded down so that few sizes of whole steps occur: each is compiled once."""
    total = tokens + others
    grain = 1 if total <= 64 else 16 if total <= 128 else 32
    rounded = total // grain * grain - others
    return max(rounded if rounded > tokens // 2 else tokens, 1)
