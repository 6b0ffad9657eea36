"""What may come next in one continuation, for whoever knows (a grammar, say); here it is all bits and token ids."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

# One bit for each token of the vocabulary, lowest bits first; tokens beyond the last word are forbidden.
Mask = npt.NDArray[np.uint32]


class Constraint(Protocol):
    """The state of one continuation. The engine calls `mask` and then `accept` for each token, never both at once,
    but not always from the same thread. `left` counts the tokens that may still be sampled, the next one included.

    Whatever these methods raise ends the continuation's own generation with a `ConstraintError`, and nothing else.
    Stop tokens are tokens like others: the mask allows them where the answer may end.
    """

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow what has been accepted."""

    @property
    def steered(self) -> bool:
        """Whether the answer was bent so as to be complete within `left`; it then finishes with `length`."""

    def mask(self, left: int) -> Mask | None:
        """The tokens that may come next; None for all. The array is valid until the next call."""

    def accept(self, token: int, left: int) -> int:
        """Take a token that the mask allows, and return it, or the one that has to come in its place."""


ConstraintFactory = Callable[[], Constraint]
