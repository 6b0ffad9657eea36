"""The length of a draft: as many tokens as pay for their computation, for this sequence in this batch."""

import math
from typing import Final

# Tokens that rejected drafts of a sequence may cost before any is accepted, and then for each token of its output.
_FIRST_BALANCE: Final = 1.0
_ALLOWANCE: Final = 0.01
_LARGEST_BALANCE: Final = 8.0
# Verified drafts are forgotten by this factor per draft.
_DECAY: Final = 0.85
# The weight of the expectation before any draft, in tokens.
_PRIOR_WEIGHT: Final = 2.0
MAX_DRAFT: Final = 48


class DraftLength:
    """Chooses the length of each draft of one sequence.

    A draft token is worth its price if its probability of acceptance, with all tokens before it, exceeds the price. The
    probability is estimated from the sequence's verified drafts. Where drafts fail all the same, `balance` bounds the
    loss: accepted tokens are income, draft tokens expenses, and each output token adds a small allowance.
    """

    __slots__ = ("_accepted", "_balance", "_price", "_rejected")

    def __init__(self) -> None:
        self._balance = _FIRST_BALANCE
        self._accepted = self._rejected = 0.0
        self._price = 0.0

    def choose(self, expectation: float, price: float, most: int) -> int:
        """The number of draft tokens, at most `most`. `expectation`: the probability that a token is accepted, as far
        as it is known without the sequence's own drafts."""
        self._price = price
        tokens = _PRIOR_WEIGHT + self._accepted + self._rejected
        probability = min((_PRIOR_WEIGHT * expectation + self._accepted) / tokens, 0.99)
        worthwhile = int(math.log(price) / math.log(probability)) if price < 1 else 0
        return max(min(worthwhile, most, MAX_DRAFT, int(self._balance / price)), 0)

    def add_output(self, num_tokens: int) -> None:
        """Record output tokens."""
        self._balance = min(self._balance + _ALLOWANCE * num_tokens, _LARGEST_BALANCE)

    def spend(self, tokens: float) -> None:
        """Record other work for the sequence's drafts, in output tokens that its time is worth."""
        self._balance -= tokens

    def verified(self, length: int, accepted: int) -> None:
        """Record the outcome of a draft."""
        self._balance = min(self._balance + accepted - self._price * length, _LARGEST_BALANCE)
        self._accepted = self._accepted * _DECAY + accepted
        self._rejected = self._rejected * _DECAY + (accepted < length)
