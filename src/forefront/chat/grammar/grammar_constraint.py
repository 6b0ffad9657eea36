"""The constraint of one grammar on one continuation. It completes the answer when tokens run out."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from llguidance import LLMatcher

from forefront.chat.grammar.automaton.completion import Completer, Position
from forefront.chat.grammar.automaton.network import INFINITE
from forefront.chat.grammar.automaton.regex_automaton import TooComplexError
from forefront.chat.grammar.grammar_source import GrammarRefusedError
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.engine.constraint import MAX_ROLLBACK, Mask


class _State(NamedTuple):
    """The state that `accept` changes. The matcher is rolled back by the tokens it has consumed since."""

    consumed: int
    ended: bool
    forced_finish: bool
    must_fit: bool
    position: Position | None
    distance: int


class GrammarConstraint:
    """The `Constraint` of one grammar, from the answer's first token to its last.

    It knows the fewest tokens that complete the answer. A token of the model is accepted if the answer can still be
    completed after it, and otherwise replaced by the first token of the shortest completion. If no complete answer fits
    into the limit at all, tokens are not replaced: the answer is truncated, or, if it must be `whole`, ends at once.
    """

    def __init__(
        self, matcher: LLMatcher, vocabulary: Vocabulary, completer: Completer | None, *, whole: bool = False
    ) -> None:
        self.ended = False
        self.forced_finish = False
        self._matcher = matcher
        self._end_tokens = vocabulary.end_tokens
        self._end = min(vocabulary.end_tokens)
        self._mask: Mask = np.zeros(vocabulary.words, np.uint32)
        self._completer = completer
        self._position = completer.start() if completer is not None else None
        self._distance = completer.distance(self._position) if completer and self._position is not None else INFINITE
        self._must_fit = whole and self._position is not None
        self._consumed = 0  # by the matcher
        self._history: deque[_State] = deque(maxlen=MAX_ROLLBACK)  # before each `accept`

    def mask(self, tokens_left: int) -> Mask:  # noqa: ARG002
        """See `Constraint.mask`."""
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check()
        return self._mask

    def accept(self, token: int, tokens_left: int) -> int:
        """See `Constraint.accept`."""
        self._history.append(
            _State(self._consumed, self.ended, self.forced_finish, self._must_fit, self._position, self._distance)
        )
        if self._must_fit and self._distance > tokens_left:
            self.forced_finish = self.ended = True
            return self._end
        self._must_fit = False
        if token in self._end_tokens:
            return token
        position, distance = self._advanced(token)
        if position is not None and distance >= tokens_left and self._distance <= tokens_left:
            replacement = self._replacement()
            if replacement is not None:
                token, position = replacement
                self.forced_finish = True
                if position is None:
                    return token
                distance = self._measured(position)
        self._consume(token)
        self._position, self._distance = position, distance
        self.ended = self._matcher.is_stopped()
        return token

    def forced(self) -> Sequence[int]:
        """See `Constraint.forced`. Tokenised greedily, without a last token that a longer one might replace."""
        if self.ended:
            return ()
        # The search for forced bytes changes a matcher, after which masks before a forced control token would be empty.
        copy = self._matcher.deep_copy()
        if not copy.compute_ff_bytes():
            return ()
        tokens: list[int] = copy.compute_ff_tokens()
        return tokens

    def rollback(self, count: int) -> None:
        """See `Constraint.rollback`."""
        for _ in range(count):
            state = self._history.pop()
        if not count:
            return
        if self._consumed > state.consumed:
            self._matcher.rollback(self._consumed - state.consumed)
        self._consumed, self.ended, self.forced_finish, self._must_fit, self._position, self._distance = state

    def begin(self, tokens: Sequence[int]) -> None:
        """Accept the beginning of the answer."""
        for token in tokens:
            self._consume(token)
            self._position, self._distance = self._advanced(token)
        self.ended = self._matcher.is_stopped()

    def _advanced(self, token: int) -> tuple[Position | None, int]:
        """The position after a token and its distance; None if the text cannot be followed."""
        if self._completer is None or self._position is None:
            return None, INFINITE
        try:
            position = self._completer.advance(self._position, token)
            return position, INFINITE if position is None else self._measured(position)
        except TooComplexError:
            return None, INFINITE

    def _measured(self, position: Position) -> int:
        assert self._completer is not None
        return self._completer.distance(position)

    def _replacement(self) -> tuple[int, Position | None] | None:
        """The first token of the shortest completion and the position after it; the end token where it is complete."""
        assert self._completer is not None
        assert self._position is not None
        token = self._completer.next_token(self._position)
        if token is None:
            return self._end, None
        position = self._completer.advance(self._position, token)
        if position is None or self._matcher.validate_tokens([token]) != 1:
            return None  # llguidance and the network disagree
        return token, position

    def _consume(self, token: int) -> None:
        self._matcher.consume_token(token)
        self._check()
        self._consumed += 1

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GrammarRefusedError(self._matcher.get_error())
