"""The token counts of one sequence, for penalties."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


class TokenCounts:
    """Each distinct token of a prompt and its output, with its number of occurrences in the output."""

    __slots__ = ("_counts", "_places", "_tokens")

    def __init__(self, prompt: Iterable[int], output: Iterable[int]) -> None:
        distinct = dict.fromkeys(prompt)
        self._places = {token: place for place, token in enumerate(distinct)}
        self._tokens = np.zeros(max(2 * len(distinct), 64), np.int64)
        self._tokens[: len(distinct)] = list(distinct)
        self._counts = np.zeros(len(self._tokens), np.float64)
        for token in output:
            self.add(token)

    @property
    def tokens(self) -> npt.NDArray[np.int64]:
        """The distinct tokens [n], in order of their first occurrence. A view."""
        return self._tokens[: len(self._places)]

    @property
    def output_counts(self) -> npt.NDArray[np.float64]:
        """The number of occurrences of each of `tokens` in the output [n]. A view."""
        return self._counts[: len(self._places)]

    def add(self, token: int) -> None:
        """Count a token of the output. Constant time, amortised."""
        place = self._places.setdefault(token, len(self._places))
        if place == len(self._tokens):
            self._tokens = np.concatenate([self._tokens, np.zeros_like(self._tokens)])
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._tokens[place] = token
        self._counts[place] += 1
