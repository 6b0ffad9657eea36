"""Drafts of tokens that a grammar forces, such as the names of the properties of a JSON object."""

from collections import abc
from typing import Final

from forefront.engine.scheduling.drafter import NO_DRAFT, Draft, DraftRequest
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.speculation.draft_length import DraftLength

# The text is fixed, but the model may tokenise it differently. Such drafts are rejected, so that the output equals that
# of single steps.
_ACCEPTANCE: Final = 0.95


class ForcedTokensDrafter:
    """The `Drafter` of constrained sequences where their next text is fixed."""

    def __init__(self) -> None:
        self._lengths: dict[Sequence, DraftLength] = {}

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        """See `Drafter.propose`."""
        return [
            NO_DRAFT if request.sequence.constraint is None else self._draft(request, price) for request in requests
        ]

    def verified(self, sequence: Sequence, length: int, accepted: int, price: float) -> None:
        """See `Drafter.verified`."""
        self._lengths[sequence].verified(length, accepted, price)

    def forget(self, sequence: Sequence) -> None:
        """See `Drafter.forget`."""
        self._lengths.pop(sequence, None)

    def _draft(self, request: DraftRequest, price: float) -> Draft:
        forced = request.sequence.forced_tokens()
        if not forced:
            return NO_DRAFT
        length = self._lengths.get(request.sequence)
        if length is None:
            length = self._lengths[request.sequence] = DraftLength()
        choice = length.choose(_ACCEPTANCE, price, request.max_tokens)
        return choice.draft(forced[: choice.length])
