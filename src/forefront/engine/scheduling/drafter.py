"""Drafts: guesses at the next tokens of decoding sequences, verified in one step."""

from collections import abc
from typing import NamedTuple, Protocol

from forefront.engine.scheduling.running_set import RunningSet
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.sequence import Sequence


class DraftRequest(NamedTuple):
    """A decoding sequence, and the most tokens that its draft may have."""

    sequence: Sequence
    max_tokens: int


class Drafter(Protocol):
    """Proposes drafts. A wrong draft costs computation and changes no output."""

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[abc.Sequence[int]]:
        """The likely next tokens of each sequence; empty for none. `price`: see `draft_cost`."""

    def verified(self, sequence: Sequence, length: int, accepted: int) -> None:
        """Learn that `accepted` tokens of a draft of `length` tokens were confirmed. The draft may have been a part of
        what was proposed."""

    def forget(self, sequence: Sequence) -> None:
        """Release what is kept for a sequence that has ended. Does nothing for an unknown one."""


def add_drafts(decodes: list[ScheduledChunk], drafter: Drafter, budget: int, price: float, running: RunningSet) -> None:
    """Add drafts of at most `budget` tokens together to `decodes`, in place. Each sequence has an equal share.
    `price`: see `draft_cost`.

    A draft stops before a stop token and one token before the end of the output: the step samples one token more than
    the draft has. The first token of an output is sampled without one, since continuations join there.
    """
    share = max(budget // len(decodes), 1)
    places, requests = list[int](), list[DraftRequest]()
    for place, (sequence, _, _) in enumerate(decodes):
        limit = min(share, sequence.tokens_left - 1)
        if limit > 0 and sequence.num_output_tokens and len(requests) < budget:
            places.append(place)
            requests.append(DraftRequest(sequence, limit))
    for place, request, proposed in zip(places, requests, drafter.propose(requests, price), strict=True):
        if not proposed:
            continue
        sequence, limit = request
        stop_tokens, limit = sequence.request.stop_tokens, min(limit, len(proposed))
        end = next((end for end in range(limit) if proposed[end] in stop_tokens), limit)
        if end and (room := running.grow_for_draft(sequence, end)):
            decodes[place] = decodes[place]._replace(draft=tuple(proposed[:room]))
