"""Drafts: guesses at the next tokens of decoding sequences, verified in one step."""

from collections.abc import Sequence as Tokens
from typing import Protocol

from forefront.engine.scheduling.running_set import RunningSet
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.sequence import Sequence


class Drafter(Protocol):
    """Proposes drafts. A wrong draft costs computation and changes no output."""

    def propose(self, sequence: Sequence, max_tokens: int) -> Tokens[int]:
        """The likely next tokens of a decoding sequence, at most `max_tokens`; empty for none."""


def add_drafts(decodes: list[ScheduledChunk], drafter: Drafter, budget: int, running: RunningSet) -> None:
    """Add drafts of at most `budget` tokens together to `decodes`, in place.

    A draft stops before a stop token and one token before the end of the output: the step samples one token more than
    the draft has. The first token of an output is sampled without one, since continuations join there.
    """
    for place, chunk in enumerate(decodes):
        sequence = chunk.sequence
        limit = min(budget, sequence.tokens_left - 1)
        if limit <= 0 or sequence.num_output_tokens == 0:
            continue
        proposed = drafter.propose(sequence, limit)[:limit]
        stop_tokens = sequence.request.stop_tokens
        end = next((end for end, token in enumerate(proposed) if token in stop_tokens), len(proposed))
        if not end:
            continue
        draft = tuple(proposed[: running.grow_for_draft(sequence, end)])
        decodes[place] = chunk._replace(draft=draft)
        budget -= len(draft)
