"""Drafts from repetition: text that continues as the prompt, the output or an earlier output of the tenant did.

A sequence follows an earlier occurrence of its last tokens. The occurrence stays the source of its drafts until the
output deviates from it; then a new occurrence is looked up.
"""

from collections import abc

from forefront.engine.scheduling.drafter import NO_DRAFT, Draft, DraftRequest
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.speculation.draft_length import DraftLength
from forefront.engine.speculation.ngram_index import MAX_MATCH, NGRAM, NgramIndex
from forefront.engine.speculation.recent_outputs import SEPARATOR, OutputsByTenant, RecentOutputs

# A match of this length is correct in half of all cases.
_EVEN_MATCH = 3.0
# The expected acceptance of the first token after a match that has just been found.
_START = 0.6


class NgramDrafter:
    """The `Drafter` of repetition. Its cost is constant for each token. A repetition has `shortest` matching tokens at
    least, and never fewer than `NGRAM`."""

    def __init__(self, shortest: int = NGRAM) -> None:
        self._shortest = shortest
        self._repetitions: dict[Sequence, _Repetition] = {}
        self._outputs = OutputsByTenant()

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        """See `Drafter.propose`."""
        return [self._draft(request, price) for request in requests]

    def verified(self, sequence: Sequence, length: int, accepted: int, price: float) -> None:
        """See `Drafter.verified`."""
        self._repetitions[sequence].length.verified(length, accepted, price)

    def forget(self, sequence: Sequence) -> None:
        """See `Drafter.forget`. The output becomes a source for the tenant's next ones."""
        if self._repetitions.pop(sequence, None) is not None:
            self._outputs.add(sequence.request.tenant.name, sequence.tokens[sequence.num_prompt_tokens :])

    def _draft(self, request: DraftRequest, price: float) -> Draft:
        repetition = self._repetition_of(request.sequence)
        return repetition.draft(price, request.max_tokens) if repetition.match >= self._shortest else NO_DRAFT

    def _repetition_of(self, sequence: Sequence) -> "_Repetition":
        repetition = self._repetitions.get(sequence)
        if repetition is None:
            repetition = self._repetitions[sequence] = _Repetition(sequence)
        repetition.follow(sequence, self._outputs.of(sequence.request.tenant.name))
        return repetition


class _Repetition:
    """What one sequence repeats: the place in a source that its next tokens may follow."""

    __slots__ = ("_fresh", "_index", "_known", "_place", "_source", "length", "match")

    def __init__(self, sequence: Sequence) -> None:
        self.length = DraftLength()
        self._index = NgramIndex(sequence.request.prompt)
        self._known = sequence.num_prompt_tokens
        self._source: NgramIndex | None = None
        self._place = self.match = 0
        self._fresh = True

    def follow(self, sequence: Sequence, outputs: RecentOutputs | None) -> None:
        """Take the sequence's new tokens."""
        new = sequence.tokens[self._known :]
        if not new:
            return
        self._known = len(sequence.tokens)
        self.length.add_output(len(new))
        self._index.extend(new)
        source, end = self._source, self._place + len(new)
        if source is not None and source.text[self._place : end].tolist() == new:
            self._place, self.match, self._fresh = end, self.match + len(new), False
            return
        self._fresh = True
        context = sequence.tokens[-MAX_MATCH:]
        self._source, (self._place, self.match) = self._index, self._index.find(context)
        if outputs is not None:
            other, place, match = outputs.find(context)
            if match > self.match:
                self._source, self._place, self.match = other, place, match
        if not self.match:
            self._source = None

    def draft(self, price: float, maximum: int) -> Draft:
        """The next tokens of the source, as many as are worth their price."""
        source = self._source
        if source is None:
            return NO_DRAFT
        match = min(self.match, MAX_MATCH)
        choice = self.length.choose(match / (match + _EVEN_MATCH), price, maximum, _START if self._fresh else None)
        draft = source.text[self._place : self._place + choice.length].tolist()
        if SEPARATOR in draft:
            del draft[draft.index(SEPARATOR) :]
        elif source is self._index and draft:
            # After the end of the text, the draft continues with its own tokens.
            while len(draft) < choice.length:
                draft.append(draft[len(draft) - (len(source) - self._place)])
        return choice.draft(draft)
