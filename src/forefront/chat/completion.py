"""The end of an answer, found without the model: tokens that complete a grammar from where it stands."""

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher

from forefront.chat.vocabulary import TokenIndex

# Uses of one kind of token in a row after which another is preferred: some texts end only behind another kind.
_TIRING = 6
_STEPS = 8192


class Completer:
    """Finds short completions. It walks the grammar with the token that looks most like an end at each step, a few
    times in different tempers, and cuts the text that it found into as few tokens as there can be.

    The order of preference is made for JSON. For other grammars a completion may be missed or be longer than need be.
    """

    def __init__(self, index: TokenIndex) -> None:
        self._index = index
        kinds, ranks = zip(*map(_preference, index.vocabulary.pieces), strict=True)
        self._kinds = np.array(kinds)
        self._brackets = [*index.cut(b"}"), *index.cut(b"]")]
        rank = np.array(ranks)
        noise = np.random.default_rng(0).random((2, len(rank))) * 3
        self._orders: list[npt.NDArray[np.float64]] = [rank, *(rank + own * (self._kinds > 1) for own in noise)]

    def find(self, matcher: LLMatcher, enough: int, seconds: float) -> list[int] | None:
        """The shortest completion that was found, looking no further once one has `enough` tokens or fewer. None: none
        was found in that time."""
        shortest: list[int] | None = None
        deadline = time.monotonic() + seconds
        for order in self._orders:
            path = self._walk(matcher.deep_copy(), order, deadline)
            if path is not None:
                tokens = self._index.merged(path)
                if shortest is None or len(tokens) < len(shortest):
                    shortest = tokens
                if len(shortest) <= enough:
                    break
        return shortest

    def _walk(self, matcher: LLMatcher, order: npt.NDArray[np.float64], deadline: float) -> list[int] | None:
        path: list[int] = []
        fatigue = np.zeros(_KINDS)
        while len(path) <= _STEPS and time.monotonic() < deadline:
            if matcher.is_accepting():
                return path
            forced = self._index.cut(matcher.compute_ff_bytes())
            taken: Sequence[int] = forced[: matcher.try_consume_tokens(forced)] if forced else ()
            if not taken:
                allowed = self._allowed(matcher)
                if not len(allowed):
                    return None
                kinds = self._kinds[allowed]
                # Inside of a string, brackets are characters like others.
                within = np.isin(self._brackets, allowed).all()
                best = int((order[allowed] + fatigue[kinds] // _TIRING * 10 + (kinds == 0) * within * 9).argmin())
                fatigue[kinds[best]] += 1 if kinds[best] > 1 else 0.25
                if kinds[best] > 1:
                    fatigue[:2] = 0  # brackets tire only in a row
                taken = [int(allowed[best])]
                if not matcher.consume_token(taken[0]):
                    return None
            path += taken
        return None

    def _allowed(self, matcher: LLMatcher) -> npt.NDArray[np.intp]:
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        return np.flatnonzero(np.unpackbits(bits, count=len(self._kinds), bitorder="little"))


_KINDS = 8
_CLOSING = frozenset(b'"}]')


def _preference(piece: bytes) -> tuple[int, float]:
    """The kind of a token, and how much it looks like an end; less is more."""
    if piece and _CLOSING.issuperset(piece):
        return (0 if piece[:1] in b"}]" else 1), (0 if piece[:1] in b"}]" else 1) - 0.01 * len(piece)
    text = piece.strip()
    if text.isalpha() and text.isascii() and text.lower() != b"e" and text == piece:
        return 2, 2 - 0.01 * len(text)
    if text in (b",", b":", b"[]", b"{}"):
        return 3, 3.0 - 0.01 * len(piece)
    if text in (b"@", b"."):
        return 4, 3.5
    if text.isdigit():
        return 5, 4 + 0.01 * len(text)
    if text in (b"{", b"["):
        return 6, 5.0
    return 7, 7.0 if text.isascii() and b"\\" not in text and text != b"-" else 8.0
