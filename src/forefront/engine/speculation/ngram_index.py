"""A hash index of the n-grams of a text: where the end of a sequence has occurred before."""

from array import array
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

# Tokens of an indexed n-gram. Shorter repetitions predict little.
NGRAM: Final = 2
# Compared tokens before a position. Longer matches are equally good.
MAX_MATCH: Final = 24
_SMALLEST: Final = 256
# Primes that keep the sums of `_hash` within 63 bits for token ids of 32 bits.
_FACTORS: Final = (1_000_003, 2_654_435)
_SHIFT: Final = 7
# From this number of tokens on, numpy is faster than a loop.
_MANY: Final = 24


class NgramIndex:
    """A text that grows, and a hash table from n-grams to their latest positions: at most 20 bytes a token.

    `extend` takes constant time a token, amortised, `find` constant time. The n-gram at the very end of the text is
    added with the next token, so that a text can be looked up in its own index.
    """

    __slots__ = ("_mask", "_table", "text")

    def __init__(self, text: Sequence[int] = ()) -> None:
        self.text = array("i")
        self._table = array("i")  # by hash, the position after an n-gram; 0 for none
        self._mask = -1
        self.extend(text)

    def __len__(self) -> int:
        return len(self.text)

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens."""
        begin = len(self.text)
        self.text.extend(tokens)
        if 2 * len(self.text) > self._mask:
            self._build()
        elif len(tokens) >= _MANY:
            self._add_many(begin)
        else:
            text, table, mask = self.text, self._table, self._mask
            for place in range(max(begin, NGRAM), len(text)):
                table[_hash(text[place - 2], text[place - 1]) & mask] = place

    def find(self, context: Sequence[int]) -> tuple[int, int]:
        """The position in the text after the latest occurrence of the last `NGRAM` tokens of `context`, and how many
        tokens match there, `MAX_MATCH` at most; (0, 0) if there is none."""
        if len(context) < NGRAM or len(self.text) <= NGRAM:
            return 0, 0
        text = self.text
        place = self._table[_hash(context[-2], context[-1]) & self._mask]
        maximum = min(place, len(context), MAX_MATCH)
        matching = next((count for count in range(maximum) if text[place - 1 - count] != context[-1 - count]), maximum)
        return (place, matching) if matching >= NGRAM else (0, 0)

    def _build(self) -> None:
        """Make a table of at least twice the size of the text."""
        size = _SMALLEST
        while size <= 2 * len(self.text):
            size *= 2
        self._mask = size - 1
        self._table = array("i", bytes(4 * size))
        self._add_many(NGRAM)

    def _add_many(self, begin: int) -> None:
        """Add the n-grams before the positions from `begin` on."""
        begin = max(begin, NGRAM)
        if begin >= len(self.text):
            return
        text = np.frombuffer(self.text, np.int32)[begin - NGRAM : -1].astype(np.int64)
        buckets = _hash(text[:-1], text[1:]) & self._mask
        # Of equal indices the last is kept.
        np.frombuffer(self._table, np.int32)[buckets] = np.arange(begin, len(self.text), dtype=np.int32)


def _hash(first: Any, second: Any) -> Any:
    """The hash of two tokens, or of two arrays of them."""
    return (first * _FACTORS[0] + second * _FACTORS[1]) >> _SHIFT
