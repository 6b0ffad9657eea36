"""Free text until a trigger, a grammar after it, then free text again."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from llguidance import LLMatcher

from forefront.chat.grammar.grammar_constraint import GrammarConstraint
from forefront.chat.grammar.vocabulary import TokenIndex
from forefront.engine.constraint import MAX_ROLLBACK, Mask


class Triggers:
    """Finds the first trigger in a text as it grows. A trigger may be made of several tokens, be inside one, or be a
    control token; what a token has after it (`rest`) must fit the grammar."""

    def __init__(self, texts: Sequence[str], matcher: LLMatcher, index: TokenIndex) -> None:
        vocabulary = index.vocabulary
        self.end_token = min(vocabulary.end_tokens)
        self._texts = [text.encode() for text in texts]
        self._control = {vocabulary.control[text] for text in texts if text in vocabulary.control}
        self._matcher = matcher
        self._index = index
        self._masks: dict[bytes, Mask | None] = {}
        last = {text[-1:] for text in self._texts}
        # Only these tokens can complete a trigger and continue after it.
        self._passing = [
            token for token, piece in enumerate(vocabulary.pieces) if any(end in piece[:-1] for end in last)
        ]

    def follow(self, beginning: bytes, token: int) -> tuple[bytes, bytes | None]:
        """The beginning of a trigger at the end of the text, and the rest after a complete trigger."""
        if token in self._control:
            return b"", b""
        text = beginning + self._index.vocabulary.pieces[token]
        ends = [text.find(trigger) + len(trigger) for trigger in self._texts if trigger in text]
        if ends:
            return b"", text[min(ends) :]
        longest = max(map(len, self._texts)) - 1
        starts = range(max(0, len(text) - longest), len(text))
        return next((text[at:] for at in starts if any(t.startswith(text[at:]) for t in self._texts)), b""), None

    def mask(self, beginning: bytes) -> Mask | None:
        """All tokens except those whose rest the grammar refuses; None if there are no such tokens. Beginnings are few,
        so each mask is computed once."""
        if beginning not in self._masks:
            forbidden = [token for token in self._passing if not self._fits(beginning, token)]
            mask: Mask | None = None
            if forbidden:
                bits = np.ones(self._index.vocabulary.words * 32, np.uint8)
                bits[forbidden] = 0
                mask = np.packbits(bits, bitorder="little").view(np.uint32)
            self._masks[beginning] = mask
        return self._masks[beginning]

    def tokens(self, rest: bytes) -> list[int]:
        """The rest after a trigger, as tokens."""
        return self._index.cut(rest)

    def _fits(self, beginning: bytes, token: int) -> bool:
        rest = self.follow(beginning, token)[1]
        if not rest:
            return True
        tokens = self.tokens(rest)
        return bool(self._matcher.validate_tokens(tokens) == len(tokens))


class _State(NamedTuple):
    """The state that `accept` changes. The grammar after a trigger, if any, has accepted the token too."""

    ended: bool
    forced_finish: bool
    beginning: bytes
    inner: GrammarConstraint | None


class TriggeredConstraint:
    """The constraint that `bound` makes, after every trigger; it needs `minimum` tokens. With `ends`, the answer ends
    after the first one."""

    def __init__(self, triggers: Triggers, bound: Callable[[], GrammarConstraint], minimum: int, *, ends: bool) -> None:
        self.ended = False
        self.forced_finish = False
        self._triggers = triggers
        self._bound = bound
        self._minimum = minimum
        self._ends = ends
        self._beginning = b""
        self._inner: GrammarConstraint | None = None
        self._history: deque[_State] = deque(maxlen=MAX_ROLLBACK)  # before each `accept`

    def mask(self, tokens_left: int) -> Mask | None:
        """See `Constraint.mask`."""
        return self._triggers.mask(self._beginning) if self._inner is None else self._inner.mask(tokens_left)

    def accept(self, token: int, tokens_left: int) -> int:
        """See `Constraint.accept`. If the tokens left do not suffice for the text after a trigger, the answer ends
        instead."""
        self._history.append(_State(self.ended, self.forced_finish, self._beginning, self._inner))
        if self._inner is None:
            beginning, rest = self._triggers.follow(self._beginning, token)
            if rest is None:
                self._beginning = beginning
                return token
            if tokens_left - 1 < self._minimum:
                self.forced_finish = True
                return self._triggers.end_token
            self._inner = self._bound()
            self._inner.begin(self._triggers.tokens(rest))
        else:
            token = self._inner.accept(token, tokens_left)
            self.forced_finish |= self._inner.forced_finish
        if self._inner is not None and self._inner.ended:
            self._inner, self._beginning = None, b""
            self.ended = self._ends
        return token

    def forced(self) -> Sequence[int]:
        """See `Constraint.forced`."""
        return () if self._inner is None else self._inner.forced()

    def rollback(self, count: int) -> None:
        """See `Constraint.rollback`."""
        for _ in range(count):
            self.ended, self.forced_finish, self._beginning, self._inner = self._history.pop()
            if self._inner is not None:
                self._inner.rollback(1)
