"""The tokens of one sequence in one step."""

from typing import NamedTuple

from forefront.engine.scheduling.sequence import Sequence


class ScheduledChunk(NamedTuple):
    """`num_tokens` known tokens of a sequence, from the first uncomputed one on, and a `draft` of the tokens after its
    last known one. The draft is verified by sampling; tokens that sampling does not confirm are discarded."""

    sequence: Sequence
    num_tokens: int
    draft: tuple[int, ...] = ()

    @property
    def samples(self) -> bool:
        """Whether the chunk ends with the last known token, so that the next one can be sampled. Valid until then."""
        return self.num_tokens == self.sequence.num_uncomputed_tokens
