"""The cost of draft tokens: the time that they add to a step, learned from measured steps. The time of a matrix product
is not proportional to its rows. One row has its own kernel, up to eight rows may share the time of the loads, and more
rows need other kernels. So the cost jumps after one row and after eight, and has one slope up to eight rows and another
above. Attention adds a time for each token of context that is read.
"""

import math
from collections import abc
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from forefront.engine.scheduling.least_squares import Array, positive_coefficients
from forefront.engine.scheduling.step_cost import StepSize

_FEW: Final = 8  # rows before the second jump
# The cost of a step until steps have been measured, in steps of one row: a constant, each of the first eight rows, each
# further row, the jumps after one row and after eight, and 16,384 tokens of context. Between the values of processors
# with and without matrix units, for models of 0.1 to 0.4 billion parameters.
_USUAL: Final = np.array([0.95, 0.05, 0.06, 0.15, 0.15, 1.0])
# The weight of these values, in measured steps, and the deviations that it counts for.
_USUAL_WEIGHT: Final = 0.02
_RIDGES: Final = np.diag(_USUAL_WEIGHT / np.array([10.0, 0.1, 0.05, 0.3, 0.15, 1.0]) ** 2)
_CONTEXT: Final = 16_384
# Decay of a measured step's weight per further step of its kind, and of a step with drafts per step without: costs that
# prevent drafts are eventually forgotten, so that drafts are tried again.
_KEPT: Final = 0.97
_KEPT_UNTRIED: Final = 0.98
# Steps without drafts are frequent and similar: one in this number is measured.
_SAMPLED: Final = 4
# Durations are clipped to this factor of their prediction, and to its inverse.
_CLIP: Final = 1.5
# Weight of the latest step in the mean duration of a step of one row.
_LATEST: Final = 0.1


class DraftPrices(NamedTuple):
    """The cost of drafts in one step, in output tokens that the same time yields without drafts.

    `tokens`: of 0, 1, ... draft tokens together, the most that the step may have. `context`: of each token of context
    that a draft reads.
    """

    tokens: abc.Sequence[float]
    context: float = 0.0


class DraftCost:
    """Seconds of a step without prompts, by its rows, which are decodes and draft tokens, and their contexts.

    Least squares over relative errors with exponential forgetting, of steps with and without drafts separately, and a
    pull towards usual values.
    """

    def __init__(self) -> None:
        self._row_seconds = 0.0
        self._coefficients: Array = _USUAL.copy()
        self._products = np.zeros((2, len(_USUAL), len(_USUAL)))
        self._terms = np.zeros((2, len(_USUAL)))
        self._known: set[int] = set()  # numbers of rows that have occurred
        self._skipped = 0

    def prices(self, decodes: StepSize, maximum: int, *, beside_prompts: bool = False) -> DraftPrices:
        """The cost of at most `maximum` draft tokens beside `decodes`. A step with prompts has the kernels of many rows
        in any case."""
        rows = decodes.decodes + np.arange(maximum + 1)
        seconds = _terms(rows, decodes.decode_context) @ self._coefficients
        if beside_prompts:
            seconds = seconds[0] + self._coefficients[2] * np.arange(maximum + 1)
        costs: list[float] = (decodes.decodes * (seconds / seconds[0] - 1)).tolist()
        return DraftPrices(costs, decodes.decodes * float(self._coefficients[-1] / seconds[0]) / _CONTEXT)

    def record(self, size: StepSize, seconds: float) -> None:
        """Learn from a step that took `seconds`. Steps with prompts are ignored, durations that are not positive, and
        the first step of each number of rows, which compiles kernels."""
        if not 0 < seconds < math.inf or not size.decodes or size.tokens > size.drafts:
            return
        rows = size.decodes + size.drafts
        if rows not in self._known:
            self._known.add(rows)
            return
        if not size.drafts:
            self._skipped = (self._skipped + 1) % _SAMPLED
            if self._skipped:
                return
        terms = _terms(np.array([rows]), size.decode_context + size.draft_context)[0]
        if self._row_seconds:
            predicted = max(float(terms @ self._coefficients), seconds / 100)
            seconds = min(max(seconds, predicted / _CLIP), predicted * _CLIP)
        usual = seconds / float(terms @ _USUAL)
        self._row_seconds += (usual - self._row_seconds) * (_LATEST if self._row_seconds else 1.0)
        kind = 1 if size.drafts else 0
        relative = terms / seconds
        self._products[kind] = _KEPT * self._products[kind] + np.outer(relative, relative)
        self._terms[kind] = _KEPT * self._terms[kind] + relative
        if not kind:
            self._products[1] *= _KEPT_UNTRIED
            self._terms[1] *= _KEPT_UNTRIED
        ridges = _RIDGES / self._row_seconds**2
        products = self._products.sum(axis=0) + ridges
        self._coefficients = positive_coefficients(
            products, self._terms.sum(axis=0) + ridges @ _USUAL * self._row_seconds
        )


def _terms(rows: npt.NDArray[np.integer], context: int) -> Array:
    """[steps, terms] for numbers of rows [steps]."""
    ones = np.ones(len(rows))
    few = np.minimum(rows, _FEW)
    return np.stack([ones, few, rows - few, rows > 1, rows > _FEW, ones * (context / _CONTEXT)], axis=1)
