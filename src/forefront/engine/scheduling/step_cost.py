"""The duration of a step, predicted from its size: a linear model that follows measured durations."""

import math
from collections import deque
from typing import Final, NamedTuple

import numpy as np

from forefront.engine.model.attention_runs import MAX_SHORT_RUN
from forefront.engine.scheduling.least_squares import Array, positive_coefficients


class StepSize(NamedTuple):
    """The size of a step.

    `decodes`: sequences with one token each, and `decode_context`, the sum of their contexts. `tokens`: all other
    tokens, of prompts and drafts, and `attended`, the sum of the contexts that each of them attends to. `drafts`: how
    many of `tokens` are of drafts, and `draft_context`, the sum of the contexts that these read: see `draft_reads`.
    """

    decodes: int = 0
    decode_context: int = 0
    tokens: int = 0
    attended: int = 0
    drafts: int = 0
    draft_context: int = 0


# The size at which each term of a step's cost is 1: a constant, decodes, their context, tokens, their context.
_UNITS: Final = np.array([1.0, 16.0, 16_384.0, 128.0, 131_072.0])
# Decay of a measured step's weight per further step of its kind: about the last 12 steps matter.
_KEPT: Final = 0.92
# Pull of each coefficient towards 0, in parts of the weight of one measured step.
_RIDGE: Final = 1e-4
# Durations are clipped to this factor of their prediction, and to its inverse.
_CLIP: Final = 1.5
# Steps of decodes alone are frequent and similar: one in this number of consecutive ones is measured.
_SAMPLED: Final = 16
# The quantile of the last measured steps that `margin` is taken from, and its value before there are so many.
_QUANTILE: Final = 0.95
_RECENT: Final = 64
_MARGIN: Final = 0.15
_RIDGES: Final = np.eye(len(_UNITS)) * _RIDGE


def draft_reads(tokens: int) -> int:
    """The number of times that the attention of a draft of `tokens` tokens reads the context, in addition to the
    decode. The tokens of a longer draft read it together."""
    return min(tokens, MAX_SHORT_RUN - 1)


class StepCost:
    """Seconds of a step = constant + a · decodes + b · their context + c · other tokens + d · their context.

    Least squares over relative errors with exponential forgetting. Steps of decodes alone, of prompts alone and of both
    are forgotten separately: a long time of decodes leaves the cost of a prompt's token as it was.
    """

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=_RECENT)
        self._coefficients: Array = np.zeros(len(_UNITS))
        # By kind, the weighted sums of the normal equations: products of terms, and terms.
        self._products = np.zeros((3, len(_UNITS), len(_UNITS)))
        self._terms = np.zeros((3, len(_UNITS)))
        self._skipped = 0  # steps of decodes alone since the last measured one

    @property
    def measured(self) -> bool:
        """Whether a step has been measured."""
        return bool(self._coefficients.any())

    @property
    def margin(self) -> float:
        """The excess over the prediction, relative, that 95 % of recent steps with decodes stayed below. At least 0."""
        if len(self._ratios) < _RECENT // 4:
            return _MARGIN
        return max(sorted(self._ratios)[int(_QUANTILE * len(self._ratios))] - 1, 0.0)

    def seconds(self, size: StepSize) -> float:
        """The predicted duration; 0 before the first measured step."""
        return float(_terms(size) @ self._coefficients)

    def token_seconds(self, context: float) -> float:
        """The predicted seconds of one more token, of a prompt or a draft, that attends to `context` tokens."""
        per_token, per_attended = self._coefficients[3:] / _UNITS[3:]
        return float(per_token + per_attended * context)

    def record(self, size: StepSize, seconds: float) -> None:
        """Learn from a step that took `seconds`. A duration that is not positive is ignored."""
        if not 0 < seconds < math.inf:
            return
        if not size.tokens and self._skipped < _SAMPLED - 1:
            self._skipped += 1
            return
        self._skipped = _SAMPLED - 1 if size.tokens else 0
        terms = _terms(size)
        if self.measured:
            predicted = max(float(terms @ self._coefficients), seconds / 100)
            if size.decodes:
                self._ratios.append(seconds / predicted)
            seconds = min(max(seconds, predicted / _CLIP), predicted * _CLIP)
        kind = 0 if not size.tokens else 1 if not size.decodes else 2
        relative = terms / seconds
        self._products[kind] = _KEPT * self._products[kind] + np.outer(relative, relative)
        self._terms[kind] = _KEPT * self._terms[kind] + relative
        self._solve(seconds)

    def _solve(self, seconds: float) -> None:
        """The coefficients of least squares, none of them negative. `seconds`: the scale for the ridge."""
        products = self._products.sum(axis=0) + _RIDGES / seconds**2
        terms = self._terms.sum(axis=0)
        self._coefficients = positive_coefficients(products, terms)


def _terms(size: StepSize) -> Array:
    terms: Array = np.array((1, size.decodes, size.decode_context, size.tokens, size.attended)) / _UNITS
    return terms
