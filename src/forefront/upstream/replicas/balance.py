"""The choice by load: least outstanding tokens, with affinity within a bound. No I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

# A replica that is preferred may have this many times the mean load, and this many times the request's tokens more.
_BOUND: Final = 1.25
_SLACK: Final = 2


@dataclass(frozen=True, slots=True)
class Load:
    """Tokens of a replica's running requests, and the share of the usual load that it may get (above 0, at most 1)."""

    outstanding: int
    share: float = 1.0

    def with_request(self, tokens: int) -> float:
        """The load relative to the share, if the replica gets a request of so many tokens."""
        return (self.outstanding + tokens) / self.share


def least_loaded(loads: Sequence[Load], tokens: int) -> int:
    """The position of the replica that a request of so many tokens loads least; the first of equals."""
    return min(range(len(loads)), key=lambda position: loads[position].with_request(tokens))


def load_bound(outstanding: float, shares: float, tokens: int) -> float:
    """The load up to which a preferred replica gets a request of so many tokens. `outstanding` and `shares` are the
    sums of all replicas."""
    return _BOUND * (outstanding + tokens) / shares + _SLACK * tokens


def choose_within_bound(loads: Sequence[Load], tokens: int, preference: Iterable[int]) -> int:
    """The first position of `preference` whose load stays within the bound, or else the least loaded."""
    bound = load_bound(sum(load.outstanding for load in loads), sum(load.share for load in loads), tokens)
    for position in preference:
        if loads[position].with_request(tokens) <= bound:
            return position
    return least_loaded(loads, tokens)
