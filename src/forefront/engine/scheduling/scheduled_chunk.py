"""The tokens of one sequence in one step."""

from collections.abc import Iterable
from typing import NamedTuple

from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.step_cost import StepSize, draft_reads


class ScheduledChunk(NamedTuple):
    """`num_tokens` known tokens of a sequence, from the first uncomputed one on, and a `draft` of the tokens after its
    last known one. The draft is verified by sampling; tokens that sampling does not confirm are discarded."""

    sequence: Sequence
    num_tokens: int
    draft: tuple[int, ...] = ()

    @property
    def samples(self) -> bool:
        """Whether the chunk ends with the last known token, so that the next one can be sampled. Valid until then."""
        sequence = self.sequence
        return sequence.num_computed_tokens + self.num_tokens == len(sequence.tokens)


def step_size(chunks: Iterable[ScheduledChunk]) -> StepSize:
    """The size of a step with these chunks. Valid until they are committed."""
    decodes = decode_context = tokens = attended = drafts = draft_context = 0
    for sequence, num_tokens, draft in chunks:
        start, others = sequence.num_computed_tokens, num_tokens
        if start and len(sequence.tokens) - start == 1:  # it decodes
            start, others = start + 1, 0
            decodes += 1
            decode_context += start
        if draft:
            others += len(draft)
            drafts += len(draft)
            draft_context += draft_reads(len(draft)) * start
        if others:
            tokens += others
            attended += others * (2 * start + others) // 2
    return StepSize(decodes, decode_context, tokens, attended, drafts, draft_context)
