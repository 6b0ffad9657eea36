"""The end of an answer, found without the model: tokens that complete a grammar from where it stands."""

import copy
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher

from forefront.chat.grammar.vocabulary import TokenIndex

# Uses of one kind of token in a row after which another is preferred: some texts end only behind another kind.
_TIRING = 6
_STEPS = 4096
# A completion as long as this is not worth a search for a shorter one.
_LONG = 64
# How much chance there is in the choices of one walk after the other: what goes in circles by rule may not by chance.
_TEMPERS = (0.0, 3.0, 9.0)
_DIGITS = 5  # their kind
# What a digit costs more for each use: a multiple of 13 is never reached by zeros alone.
_STALE = 0.05


class Completer:
    """Finds short completions. It walks the grammar with the token that looks most like an end at each step, a few
    times in different tempers, and cuts the text that it found into as few tokens as there can be.

    The order of preference is made for JSON. For other grammars a completion may be missed or be longer than need be.
    """

    def __init__(self, index: TokenIndex) -> None:
        self._index = index
        kinds, ranks = zip(*map(_preference, index.vocabulary.pieces), strict=True)
        self._kinds, self._ranks = np.array(kinds), np.array(ranks)
        [self._letter] = index.cut(b"z") or [-1]
        self._hints: Sequence[list[int]] = ()

    def hinted(self, hints: Sequence[bytes]) -> "Completer":
        """The same for a grammar in which one of `hints` ends free text; `\\xff[ID]` stands for a control token."""
        if not hints:
            return self
        other = copy.copy(self)
        other._hints = [tokens for hint in hints if (tokens := self._index.forced(hint))]
        return other

    def find(self, matcher: LLMatcher, enough: int, seconds: float) -> list[int] | None:
        """The shortest completion that was found, looking no further once one has `enough` tokens or fewer. None: none
        was found in so many seconds of this thread's time."""
        shortest: list[int] | None = None
        deadline = time.thread_time() + seconds
        for temper in _TEMPERS:
            path = self._walk(matcher.deep_copy(), temper, deadline)
            if path is not None:
                tokens = self._index.merged(path)
                if shortest is None or len(tokens) < len(shortest):
                    shortest = tokens
                if len(shortest) <= enough or len(shortest) >= _LONG:
                    break
        return shortest

    def _walk(self, matcher: LLMatcher, temper: float, deadline: float) -> list[int] | None:
        chance = np.random.default_rng(0)
        path: list[int] = []
        fatigue = np.zeros(_KINDS)
        uses = np.zeros(len(self._kinds))
        hinted = False  # a hint was taken last: within a string it would do nothing, for ever
        while len(path) <= _STEPS and time.thread_time() < deadline:
            if matcher.is_accepting():
                return path
            forced = self._index.forced(matcher.compute_ff_bytes())
            taken: Sequence[int] = forced[: matcher.try_consume_tokens(forced)] if forced else ()
            if not taken and not hinted:
                taken = self._hint(matcher)
                hinted = bool(taken)
            else:
                hinted = False
            if not taken:
                allowed = self._allowed(matcher)
                if not len(allowed):
                    return None
                kinds = self._kinds[allowed]
                cost = self._ranks[allowed] + 10 * (fatigue[kinds] // _TIRING)
                cost += _STALE * uses[allowed]
                # Inside of a string, where alone a z can be, brackets are characters like others.
                cost += 9 * ((kinds == 0) & (allowed == self._letter).any())
                if temper:
                    cost += temper * chance.random(len(cost))
                best = int(cost.argmin())
                fatigue[kinds[best]] += 1 if kinds[best] > 1 else 0.1
                uses[allowed[best]] += kinds[best] == _DIGITS
                taken = [int(allowed[best])]
                if not matcher.consume_token(taken[0]):
                    return None
            path += taken
        return None

    def _hint(self, matcher: LLMatcher) -> Sequence[int]:
        """Takes the first hint that fits here."""
        for tokens in self._hints:
            if matcher.validate_tokens(tokens) == len(tokens) and matcher.try_consume_tokens(tokens) == len(tokens):
                return tokens
        return ()

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
    if len(text) == 1 and text in b"@.;>)/=!_":
        return 4, 3.4 if text == b"@" else 3.5 if text == b"." else 3.7
    if text.isdigit():
        return _DIGITS, 4 + 0.01 * len(text)
    if text in (b"{", b"["):
        return 6, 5.0
    return 7, 7.0 if text.isascii() and b"\\" not in text and text != b"-" else 8.0
