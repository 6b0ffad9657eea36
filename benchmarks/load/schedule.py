"""When requests arrive, and how long they are: drawn from a seed, so that every peer gets the same ones."""

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request of an open loop: seconds after the start, tokens of its prompt and of its answer."""

    at: float
    prompt: int
    answer: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """A log-normal distribution of lengths, within bounds. `spread`: the standard deviation of the logarithm."""

    median: float
    spread: float
    minimum: int
    maximum: int

    def draw(self, chance: random.Random) -> int:
        """One length."""
        length = round(chance.lognormvariate(math.log(self.median), self.spread))
        return min(max(length, self.minimum), self.maximum)


def poisson(rate: float, seconds: float, prompt: Lengths, answer: Lengths, seed: int) -> list[Arrival]:
    """The arrivals of a Poisson process of `rate` per second within `seconds`, in order."""
    chance, arrivals, at = random.Random(seed), [], 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        arrivals.append(Arrival(at, prompt.draw(chance), answer.draw(chance)))
    return arrivals
