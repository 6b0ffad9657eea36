"""Constrained decoding as the engine sees it: bits and token ids. `chat/grammar` implements it for grammars."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

# One bit for each token of the vocabulary, lowest bits first; tokens beyond the last word are forbidden.
Mask = npt.NDArray[np.uint32]


class Constraint(Protocol):
    """The state of one continuation. The engine asks for a mask, then reports the chosen token, one call at a time but
    not always from the same thread. `tokens_left` counts the tokens that may still be sampled, the next one included.

    Any exception ends the continuation's own generation with a `ConstraintError`, and no other. Stop tokens are
    ordinary tokens here: the mask allows them where the output may end.
    """

    @property
    def ended(self) -> bool:
        """Whether only the end can follow the accepted tokens."""

    @property
    def forced_finish(self) -> bool:
        """Whether tokens were replaced to complete the output within `tokens_left`; it then finishes with `length`."""

    def mask(self, tokens_left: int) -> Mask | None:
        """The tokens that may come next; None for all. The array is valid until the next call."""

    def accept(self, token: int, tokens_left: int) -> int:
        """Accept a token that the mask allows. Returns it, or the token that replaces it."""

    def forced(self) -> Sequence[int]:
        """The most likely tokens of a fixed continuation; empty where the text is not fixed. A draft: the mask may
        allow another tokenisation."""

    def rollback(self, count: int) -> None:
        """Undo the last `count` calls of `accept`, at most `MAX_ROLLBACK`."""


ConstraintFactory = Callable[[], Constraint]

# Calls of `accept` that a constraint can undo. Drafts of constrained sequences are no longer.
MAX_ROLLBACK = 64


def replay(constraint: Constraint, tokens: Iterable[int], max_tokens: int) -> Constraint:
    """The constraint, after it has accepted the first `tokens` of an output of at most `max_tokens`.

    Raises `ValueError` if it refuses one of them, and what the constraint raises.
    """
    for place, token in enumerate(tokens):
        if constraint.accept(token, max_tokens - place) != token:
            raise ValueError(f"the constraint refuses token {place} of the output")
    return constraint
