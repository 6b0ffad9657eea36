"""What keeps the evaluation honest: each wording and each combination belongs to training or to evaluation, never both."""

import functools
import random
import zlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_SHARE = 8
_SMALLEST_SPLIT = 5


class Side:
    """One side of the split, and the random numbers that dialogues are made from.

    `pick` chooses a wording: of a pool of five or more, one in eight (at least one) is seen by the evaluation alone, and
    the evaluation sees no other. `owns` says whether a combination (two numbers, a name and a city) is this side's.
    """

    def __init__(self, seed: int, *, held_out: bool) -> None:
        self.random = random.Random(seed)
        self.held_out = held_out

    def pick(self, wordings: Sequence[str]) -> str:
        """A wording of this side's share."""
        return self.random.choice(_shares(tuple(wordings))[self.held_out])

    def owns(self, *combination: object) -> bool:
        """Whether a combination may be used on this side; one in eight is held out."""
        return (_digest(repr(combination)) % _SHARE == 0) == self.held_out

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`, which both sides share."""
        return self.random.choice(options)

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different ones of `options`, which both sides share."""
        return self.random.sample(options, count)

    def share(self, asked: float, trained: float) -> float:
        """How often something comes up: as people ask it, or, in training, by how much it takes to learn."""
        return asked if self.held_out else trained

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.random.random() < probability


@functools.cache
def _shares(wordings: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """What training may see, and what the evaluation."""
    if len(wordings) < _SMALLEST_SPLIT:
        return list(wordings), list(wordings)
    ranked = sorted(wordings, key=_digest)
    cut = max(1, len(ranked) // _SHARE)
    return ranked[cut:], ranked[:cut]


def _digest(text: str) -> int:
    return zlib.crc32(text.encode())
