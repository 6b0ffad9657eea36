"""Drafts of tokens that a grammar forces, such as the names of the properties of a JSON object."""

from collections import abc
from typing import Final

from forefront.engine.scheduling.drafter import DraftRequest
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.speculation.draft_length import DraftLength

# The text is fixed, but a model may cut it into other tokens. Output stays that of single steps, so these are rejected.
_ACCEPTANCE: Final = 0.95


class ForcedTokensDrafter:
    """The `Drafter` of constrained sequences where their next text is fixed."""

    def __init__(self) -> None:
        self._lengths: dict[Sequence, DraftLength] = {}

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[abc.Sequence[int]]:
        """See `Drafter.propose`."""
        return [() if request.sequence.constraint is None else self._draft(request, price) for request in requests]

    def verified(self, sequence: Sequence, length: int, accepted: int) -> None:
        """See `Drafter.verified`."""
        self._lengths[sequence].verified(length, accepted)

    def forget(self, sequence: Sequence) -> None:
        """See `Drafter.forget`."""
        self._lengths.pop(sequence, None)

    def _draft(self, request: DraftRequest, price: float) -> abc.Sequence[int]:
        forced = request.sequence.forced_tokens()
        if not forced:
            return ()
        length = self._lengths.get(request.sequence)
        if length is None:
            length = self._lengths[request.sequence] = DraftLength()
        return forced[: length.choose(_ACCEPTANCE, price, request.max_tokens)]
