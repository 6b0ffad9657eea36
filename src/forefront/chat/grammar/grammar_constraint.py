"""A grammar's hold on one continuation, and how an answer is brought to its end when tokens run out."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from llguidance import LLMatcher

from forefront.chat.grammar.completion_search import Completer
from forefront.chat.grammar.source import GrammarRefusedError
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.engine.constraint import MAX_ROLLBACK, Mask

# Seconds that the engine may spend on one search; other answers wait for it.
_PATIENCE = 0.02
# From so many tokens before a plan must be begun, there is always one.
_NEAR = 32
# So many searches without a plan, and none is looked for any more.
_FAILURES = 64


class _State(NamedTuple):
    """What `accept` changes, but for the matcher: that is rolled back by `consumed` tokens."""

    consumed: int
    ended: bool
    forced_finish: bool
    steerable: bool
    plan: tuple[int, ...] | None
    longest: int
    failures: int
    next_search: int | None


class GrammarConstraint:
    """The `Constraint` of one grammar, from the answer's first token to its last.

    It keeps a plan: tokens that would complete the answer from here. A token of the model is taken only if a plan that
    fits into what is left exists behind it; else the plan's own next token is. Far from the limit, plans are looked for
    now and then only: the more room there is, the more seldom.
    """

    def __init__(
        self, matcher: LLMatcher, vocabulary: Vocabulary, completer: Completer, plan: Sequence[int] | None
    ) -> None:
        self.ended = False
        self.forced_finish = False
        self._matcher = matcher
        self._end_tokens = vocabulary.end_tokens
        self._end = min(vocabulary.end_tokens)
        self._completer = completer
        self._mask: Mask = np.zeros(vocabulary.words, np.uint32)
        self._steerable = plan is not None
        self._plan = tuple(plan) if plan is not None else None  # from the present state; None: not known
        self._longest = len(self._plan or ())
        self._failures = 0  # searches in a row that found no plan that fits
        self._next_search: int | None = None  # when fewer tokens are left
        self._consumed = 0  # by the matcher
        self._history: deque[_State] = deque(maxlen=MAX_ROLLBACK)  # before each `accept`

    def mask(self, left: int) -> Mask:  # noqa: ARG002
        """See `Constraint.mask`."""
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check()
        return self._mask

    def accept(self, token: int, left: int) -> int:
        """See `Constraint.accept`."""
        self._history.append(
            _State(
                self._consumed,
                self.ended,
                self.forced_finish,
                self._steerable,
                self._plan,
                self._longest,
                self._failures,
                self._next_search,
            )
        )
        if token in self._end_tokens:
            return token
        self._consume(token)
        if self._steerable and not self._can_end(token, left - 1) and self._plan is not None:
            self._undo(1)
            self.forced_finish = True
            self._failures = 0
            if not self._plan:
                return self._end
            token, self._plan = self._plan[0], self._plan[1:]
            self._consume(token)
        self.ended = self._matcher.is_stopped()
        return token

    def rollback(self, count: int) -> None:
        """See `Constraint.rollback`."""
        for _ in range(count):
            state = self._history.pop()
        if count:
            self._undo(self._consumed - state.consumed)
            self.ended, self.forced_finish, self._steerable = state.ended, state.forced_finish, state.steerable
            self._plan, self._longest = state.plan, state.longest
            self._failures, self._next_search = state.failures, state.next_search

    def begin(self, tokens: Sequence[int]) -> None:
        """Take what is there of the answer already."""
        for token in tokens:
            self._consume(token)
        if tokens and self._steerable:
            self._plan = self._find(self._longest)
        self.ended = self._matcher.is_stopped()

    def _can_end(self, token: int, left: int) -> bool:
        """Whether the answer, which now has `token`, can be completed in time. Brings the plan up to date if so; else
        the plan is one from before `token`, or None where there is none."""
        if self._plan and token == self._plan[0]:
            self._plan = self._plan[1:]
            return True
        if self._next_search is None:
            self._next_search = left - (left - self._longest) // 4
        if left >= max(self._next_search, self._longest + _NEAR):
            self._plan = None
            return True
        if self._plan is not None and len(self._plan) <= left and self._completes(self._plan):
            return True
        plan = self._find(left)
        if plan is None or len(plan) > left:
            self._failures += 1
            self._steerable = self._failures < _FAILURES
            if left >= self._longest + _NEAR:
                self._plan = None  # there is time for better luck
                self._next_search = left - left // 8
            return False
        self._failures = 0
        self._plan = plan
        self._longest = max(self._longest, len(plan))
        self._next_search = left - (left - len(plan)) // 4
        return True

    def _find(self, left: int) -> tuple[int, ...] | None:
        plan = self._completer.find(self._matcher, left, _PATIENCE)
        return None if plan is None else tuple(plan)

    def _completes(self, plan: Sequence[int]) -> bool:
        return bool(self._matcher.validate_tokens([*plan, self._end]) == len(plan) + 1)

    def _consume(self, token: int) -> None:
        self._matcher.consume_token(token)
        self._check()
        self._consumed += 1

    def _undo(self, count: int) -> None:
        if count:
            self._matcher.rollback(count)
            self._consumed -= count

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GrammarRefusedError(self._matcher.get_error())
