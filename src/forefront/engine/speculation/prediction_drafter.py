"""Drafts from the output that a request predicts, such as a file of which an edit changes a few lines.

The output is followed along the prediction. Where it deviates, the place at which it returns is looked up by its last
tokens: two of them close after the deviation, or six anywhere in the prediction.
"""

from collections import abc
from typing import Final

from forefront.engine.scheduling.drafter import NO_DRAFT, Draft, DraftRequest
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.speculation.draft_length import DraftLength
from forefront.engine.speculation.ngram_index import MAX_MATCH, NGRAM, NgramIndex

# The expected acceptance before any draft of the prediction.
_ACCEPTANCE: Final = 0.9
# Tokens after a deviation among which its end is looked for first.
_NEAR: Final = 64
# Matching tokens for a place elsewhere.
_FAR_MATCH: Final = 6


class PredictionDrafter:
    """The `Drafter` of `GenerateRequest.prediction`. It counts confirmed and rejected tokens in the generation."""

    def __init__(self) -> None:
        self._predictions: dict[Sequence, _Prediction] = {}

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        """See `Drafter.propose`."""
        return [
            self._draft(request, price) if request.sequence.request.prediction else NO_DRAFT for request in requests
        ]

    def verified(self, sequence: Sequence, length: int, accepted: int, price: float) -> None:
        """See `Drafter.verified`."""
        self._predictions[sequence].length.verified(length, accepted, price)
        sequence.generation.accepted_prediction_tokens += accepted
        sequence.generation.rejected_prediction_tokens += length - accepted

    def forget(self, sequence: Sequence) -> None:
        """See `Drafter.forget`."""
        self._predictions.pop(sequence, None)

    def _draft(self, request: DraftRequest, price: float) -> Draft:
        sequence = request.sequence
        prediction = self._predictions.get(sequence)
        if prediction is None:
            prediction = self._predictions[sequence] = _Prediction(sequence)
        prediction.follow(sequence)
        return prediction.draft(price, request.max_tokens)


class _Prediction:
    """One sequence's place in its prediction."""

    __slots__ = ("_following", "_index", "_known", "_place", "length")

    def __init__(self, sequence: Sequence) -> None:
        self.length = DraftLength()
        self._index = NgramIndex(sequence.request.prediction)
        self._known = sequence.num_prompt_tokens
        self._place = 0
        self._following = True

    def follow(self, sequence: Sequence) -> None:
        """Take the sequence's new tokens."""
        new = sequence.tokens[self._known :]
        if not new:
            return
        begin, self._known = self._known, len(sequence.tokens)
        self.length.add_output(len(new))
        end = self._place + len(new)
        if self._following and self._index.text[self._place : end].tolist() == new:
            self._place = end
            return
        if self._following:  # the tokens before the deviation
            while sequence.tokens[begin] == self._next():
                begin, self._place = begin + 1, self._place + 1
        place = self._find(sequence.tokens[max(self._known - MAX_MATCH, sequence.num_prompt_tokens) :])
        self._following = place > 0
        if self._following:
            self._place = place

    def draft(self, price: float, maximum: int) -> Draft:
        """The next tokens of the prediction, as many as are worth their price."""
        if not self._following:
            return NO_DRAFT
        choice = self.length.choose(_ACCEPTANCE, price, maximum)
        return choice.draft(self._index.text[self._place : self._place + choice.length].tolist())

    def _next(self) -> int | None:
        return self._index.text[self._place] if self._place < len(self._index) else None

    def _find(self, output: abc.Sequence[int]) -> int:
        """The place after the last tokens of `output`; 0 if there is none."""
        if len(output) < NGRAM:
            return 0
        last = list(output[-NGRAM:])
        near = self._index.text[self._place : self._place + _NEAR].tolist()
        for start in range(len(near) - NGRAM + 1):
            if near[start : start + NGRAM] == last:
                return self._place + start + NGRAM
        place, match = self._index.find(output)
        return place if match >= _FAR_MATCH else 0
