"""Several sources of drafts, in order of preference."""

from collections import abc

from forefront.engine.scheduling.drafter import NO_DRAFT, Draft, Drafter, DraftRequest
from forefront.engine.scheduling.sequence import Sequence


class DrafterChain:
    """The `Drafter` that takes each sequence's draft from the first of `drafters` that has one.

    With `exact`, the rounding of a step does not depend on its drafts noticeably. Without it, repeatable requests
    (`SamplingParams`) get no drafts.
    """

    def __init__(self, drafters: abc.Sequence[Drafter], *, exact: bool = True) -> None:
        self._drafters = drafters
        self._exact = exact
        self._sources: dict[Sequence, Drafter] = {}  # of the present step's drafts

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        """See `Drafter.propose`."""
        self._sources.clear()
        drafts = [NO_DRAFT] * len(requests)
        missing = [
            place
            for place, request in enumerate(requests)
            if self._exact or not request.sequence.request.sampling.repeatable
        ]
        for drafter in self._drafters:
            proposed = drafter.propose([requests[place] for place in missing], price)
            for place, draft in zip(missing, proposed, strict=True):
                if draft.tokens:
                    drafts[place] = draft
                    self._sources[requests[place].sequence] = drafter
            missing = [place for place in missing if not drafts[place].tokens]
        return drafts

    def verified(self, sequence: Sequence, length: int, accepted: int, price: float) -> None:
        """See `Drafter.verified`."""
        self._sources[sequence].verified(sequence, length, accepted, price)

    def forget(self, sequence: Sequence) -> None:
        """See `Drafter.forget`."""
        self._sources.pop(sequence, None)
        for drafter in self._drafters:
            drafter.forget(sequence)
