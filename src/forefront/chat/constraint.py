"""A grammar's hold on one continuation, and how an answer is brought to its end when tokens run out."""

from collections.abc import Sequence

import numpy as np
from llguidance import LLMatcher

from forefront.chat.completion import Completer
from forefront.chat.grammar_source import GrammarRefusedError
from forefront.chat.vocabulary import Vocabulary
from forefront.engine.constraint import Mask

# Seconds that the engine may spend on one search; other answers wait for it.
_PATIENCE = 0.02
# Bytes behind which much more may have to follow than before.
_OPENING = frozenset(b"{[,:")


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
        self.steered = False
        self._matcher = matcher
        self._pieces = vocabulary.pieces
        self._end_tokens = vocabulary.end_tokens
        self._completer = completer
        self._mask: Mask = np.zeros(vocabulary.words, np.uint32)
        self._steerable = plan is not None
        self._plan = list(plan) if plan is not None else None  # from the present state; None: not known
        self._longest = len(self._plan or ())
        self._next_search: int | None = None  # when so many tokens are left

    def mask(self, left: int) -> Mask:  # noqa: ARG002
        """See `Constraint.mask`."""
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check()
        return self._mask

    def accept(self, token: int, left: int) -> int:
        """See `Constraint.accept`."""
        if token in self._end_tokens:
            return token
        if self._steerable:
            token = self._steer(token, left)
        self._matcher.consume_token(token)
        self._check()
        self.ended = self._matcher.is_stopped()
        return token

    def _steer(self, token: int, left: int) -> int:
        """The token to take: `token`, or the next one of the plan. Brings the plan up to date."""
        if self._plan and token == self._plan[0]:
            del self._plan[0]
            return token
        if not self._must_search(token, left):
            self._plan = None
            return token
        behind = self._search(token, left - 1)
        if behind is None and self._plan is None:
            self._plan = self._completer.find(self._matcher, left, _PATIENCE)
        if behind is None and self._plan and len(self._plan) <= left < 2 * len(self._plan) + 32:
            self.steered = True
            return self._plan.pop(0)
        self._plan = behind
        return token

    def _must_search(self, token: int, left: int) -> bool:
        if self._next_search is None:
            self._next_search = left - (left - self._longest) // 4
        if left <= self._next_search:
            return True
        near = self._longest <= 256 and left < 3 * self._longest + 32
        return near and not _OPENING.isdisjoint(self._pieces[token])

    def _search(self, token: int, left: int) -> list[int] | None:
        """A plan that fits behind `token`."""
        behind = self._matcher.deep_copy()
        behind.consume_token(token)
        plan = self._completer.find(behind, left, _PATIENCE)
        if plan is None or len(plan) > left:
            return None
        self._longest = max(self._longest, len(plan))
        self._next_search = left - (left - len(plan)) // 4
        return plan

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GrammarRefusedError(self._matcher.get_error())
