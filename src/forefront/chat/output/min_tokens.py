"""`min_tokens`: a constraint that keeps the model's end tokens from ending an answer too early."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from forefront.engine.constraint import Constraint, ConstraintFactory, Mask


def minimum_length(
    minimum: int, end_tokens: Iterable[int], vocabulary_size: int, constraint: ConstraintFactory | None
) -> "MinimumLengthFactory":
    """A constraint that allows no end token before `minimum` tokens, and what `constraint` allows besides."""
    words = np.full(-(-vocabulary_size // 32), 0xFFFFFFFF, np.uint32)
    for token in end_tokens:
        words[token // 32] &= np.uint32(0xFFFFFFFF ^ (1 << token % 32))
    return MinimumLengthFactory(minimum, words, constraint)


@dataclass(frozen=True, slots=True)
class MinimumLengthFactory:
    """Creates the constraints of `minimum_length`. `inner`: the factory of the constraint that holds besides."""

    minimum: int
    without_ends: Mask
    inner: ConstraintFactory | None

    def __call__(self) -> "MinimumLength":
        """The constraint of one continuation."""
        return MinimumLength(self.minimum, self.without_ends, None if self.inner is None else self.inner())


class MinimumLength:
    """The `Constraint` of one continuation. `without_ends` is the mask of all tokens but the end tokens.

    A grammar that leaves only the end ends the answer even so.
    """

    def __init__(self, minimum: int, without_ends: Mask, inner: Constraint | None) -> None:
        self._missing = minimum
        self._without_ends = without_ends
        self._inner = inner

    @property
    def ended(self) -> bool:
        """See `Constraint.ended`."""
        return self._inner is not None and self._inner.ended

    @property
    def forced_finish(self) -> bool:
        """See `Constraint.forced_finish`."""
        return self._inner is not None and self._inner.forced_finish

    def mask(self, tokens_left: int) -> Mask | None:
        """See `Constraint.mask`."""
        mask = None if self._inner is None else self._inner.mask(tokens_left)
        if self._missing <= 0:
            return mask
        if mask is None:
            return self._without_ends
        allowed = mask & self._without_ends[: len(mask)]
        return allowed if allowed.any() else mask

    def accept(self, token: int, tokens_left: int) -> int:
        """See `Constraint.accept`."""
        self._missing -= 1
        return token if self._inner is None else self._inner.accept(token, tokens_left)

    def forced(self) -> Sequence[int]:
        """See `Constraint.forced`."""
        return () if self._inner is None else self._inner.forced()

    def rollback(self, count: int) -> None:
        """See `Constraint.rollback`."""
        self._missing += count
        if self._inner is not None:
            self._inner.rollback(count)
