"""The length of a draft: as many tokens as pay for their computation, for this sequence in this batch."""

import math
from collections import abc
from typing import Final, NamedTuple

from forefront.engine.scheduling.drafter import Draft

# The tokens that rejected drafts of a sequence may cost before any is accepted, and the further ones per output token.
_FIRST_BALANCE: Final = 1.0
_ALLOWANCE: Final = 0.01
_MAX_BALANCE: Final = 8.0
# Decay of the weight of verified drafts per draft.
_DECAY: Final = 0.85
# The weight of the expectation before any draft, in tokens.
_PRIOR_WEIGHT: Final = 2.0
MAX_DRAFT: Final = 48


class DraftChoice(NamedTuple):
    """The length of a draft, and its probabilities: see `Draft`."""

    length: int
    start: float
    probability: float

    def draft(self, tokens: abc.Sequence[int]) -> Draft:
        """The draft of these tokens, `length` at most."""
        return Draft(tokens, self.start, self.probability)


class DraftLength:
    """Chooses the length of each draft of one sequence.

    A draft token is worth its price if its probability of acceptance, with all tokens before it, exceeds the price. The
    probability is estimated from the sequence's verified drafts; separately for the first token of a fresh draft, whose
    place in its source is unconfirmed, because a place is right or wrong as a whole. If drafts still fail, `balance`
    bounds the loss: accepted tokens are income, draft tokens expenses, and each output token adds a small allowance.
    """

    __slots__ = ("_balance", "_fresh", "_further", "_start")

    def __init__(self) -> None:
        self._balance = _FIRST_BALANCE
        self._start, self._further = _Share(), _Share()
        self._fresh = False  # the draft chosen last

    def choose(self, expectation: float, price: float, maximum: int, start: float | None = None) -> DraftChoice:
        """The length, at most `maximum`. `expectation`: the probability that a token is accepted, as far as it is known
        without the sequence's own drafts. `start`: the same for the first token of a fresh draft."""
        first = probability = self._further.expected(expectation)
        self._fresh = start is not None
        if start is not None:
            first = self._start.expected(start)
        worthwhile = 1 + int(math.log(price / first) / math.log(probability)) if price < first else 0
        return DraftChoice(max(min(worthwhile, maximum, MAX_DRAFT, int(self._balance / price)), 0), first, probability)

    def add_output(self, num_tokens: int) -> None:
        """Record output tokens."""
        self._balance = min(self._balance + _ALLOWANCE * num_tokens, _MAX_BALANCE)

    def spend(self, tokens: float) -> None:
        """Record other work for the sequence's drafts, in output tokens that take the same time."""
        self._balance -= tokens

    def verified(self, length: int, accepted: int, price: float) -> None:
        """Record the outcome of the draft chosen last, each token of which cost `price`."""
        self._balance = min(self._balance + accepted - price * length, _MAX_BALANCE)
        if self._fresh:
            self._start.record(min(accepted, 1), not accepted)
        if accepted or not self._fresh:
            self._further.record(accepted - self._fresh, accepted < length)


class _Share:
    """The share of recent tokens that were accepted."""

    __slots__ = ("_accepted", "_rejected")

    def __init__(self) -> None:
        self._accepted = self._rejected = 0.0

    def expected(self, expectation: float) -> float:
        """The probability that the next token is accepted: between `expectation` and the observed share."""
        tokens = _PRIOR_WEIGHT + self._accepted + self._rejected
        return min((_PRIOR_WEIGHT * expectation + self._accepted) / tokens, 0.99)

    def record(self, accepted: int, rejected: bool) -> None:
        """Add accepted tokens, and whether one was rejected."""
        self._accepted = self._accepted * _DECAY + accepted
        self._rejected = self._rejected * _DECAY + rejected
