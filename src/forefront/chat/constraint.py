"""A grammar's hold on one continuation."""

import numpy as np
from llguidance import LLMatcher

from forefront.chat.grammar_source import GrammarRefusedError
from forefront.chat.vocabulary import Vocabulary
from forefront.engine.constraint import Mask


class GrammarConstraint:
    """The `Constraint` of one grammar, from the answer's first token to its last."""

    def __init__(self, matcher: LLMatcher, vocabulary: Vocabulary) -> None:
        self._matcher = matcher
        self._end_tokens = vocabulary.end_tokens
        self._mask: Mask = np.zeros(-(-len(vocabulary.pieces) // 32), np.uint32)
        self.ended = False
        self.steered = False

    def mask(self, left: int) -> Mask:
        """See `Constraint.mask`."""
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check()
        return self._mask

    def accept(self, token: int, left: int) -> int:
        """See `Constraint.accept`."""
        if token not in self._end_tokens:
            self._matcher.consume_token(token)
            self._check()
            self.ended = self._matcher.is_stopped()
        return token

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GrammarRefusedError(self._matcher.get_error())
