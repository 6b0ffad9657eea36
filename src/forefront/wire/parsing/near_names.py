"""Finds the known name that is nearest to a misspelt one, at a bounded cost."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

# Of `SequenceMatcher.ratio`: twice the matching characters by all characters of both names.
_CUTOFF: Final = 0.85


class NearNames:
    """Known names, each with the pairs of neighbouring characters in it.

    The matcher takes some 50 µs, so it compares only names that share enough pairs: of T characters in both names, M
    match in at most T - 2M + 1 blocks, so 3M - T - 1 pairs lie inside blocks. An anagram shares few.
    """

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        self._folded = {_fold(name): name for name in names}
        self._names = [(name, len(name), pairs := _pairs(name), len(name) - 1 - len(pairs)) for name in names]
        self._longest = max((length for _, length, _, _ in self._names), default=0) / (_CUTOFF / (2 - _CUTOFF))

    def find(self, name: str) -> str | None:
        """The known name that is most similar, if any is similar enough."""
        if len(name) > self._longest:
            return None
        if (same := self._folded.get(_fold(name))) is not None:
            return same
        found = max(((ratio, known) for known, ratio in self._similar(name)), default=None)
        return None if found is None else found[1]

    def _similar(self, name: str) -> Iterable[tuple[str, float]]:
        size, pairs = len(name), _pairs(name)
        matcher = None
        for known, length, its_pairs, repeated in self._names:
            total = size + length
            if 2 * min(size, length) < _CUTOFF * total:
                continue
            if len(pairs & its_pairs) + repeated < 1.5 * _CUTOFF * total - total - 1:
                continue
            matcher = matcher or SequenceMatcher(b=name)
            matcher.set_seq1(known)
            if (ratio := matcher.ratio()) >= _CUTOFF:
                yield known, ratio


def _fold(name: str) -> str:
    """A name without case and separators: `maxTokens` and `max-tokens` are `maxtokens`."""
    return name.replace("_", "").replace("-", "").lower()


def _pairs(name: str) -> frozenset[str]:
    return frozenset(map("".join, pairwise(name)))
