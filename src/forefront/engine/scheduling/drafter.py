"""Drafts: guesses at the next tokens of decoding sequences, verified in one step."""

from collections import abc
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from forefront.engine.scheduling.draft_cost import DraftPrices
from forefront.engine.scheduling.running_set import RunningSet
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.step_cost import draft_reads

# The measured cost of a token may be none.
_MIN_PRICE: Final = 0.001


class DraftRequest(NamedTuple):
    """A decoding sequence, and the most tokens that its draft may have."""

    sequence: Sequence
    max_tokens: int


class Draft(NamedTuple):
    """The likely next `tokens` of a sequence; none for no draft. `start`: the probability that the first is accepted.
    `probability`: that a further one is, if all before it are."""

    tokens: abc.Sequence[int]
    start: float
    probability: float


NO_DRAFT: Final = Draft((), 0.0, 0.0)


class Drafter(Protocol):
    """Proposes drafts. A wrong draft costs computation and changes no output."""

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        """A draft for each sequence. `price`: the least cost of a draft token, in output tokens that the same time
        yields without drafts."""

    def verified(self, sequence: Sequence, length: int, accepted: int, price: float) -> None:
        """Learn that `accepted` tokens of a draft of `length` tokens were confirmed, each of which cost `price`. The
        draft may have been a part of what was proposed."""

    def forget(self, sequence: Sequence) -> None:
        """Release what is kept for a sequence that has ended. Does nothing for an unknown one."""


def add_drafts(decodes: list[ScheduledChunk], drafter: Drafter, prices: DraftPrices, running: RunningSet) -> float:
    """Add the drafts to `decodes`, in place, that are worth their cost; the cost of each of their tokens. Each sequence
    has an equal share of the tokens that the step may have.

    A draft stops before a stop token and one token before the end of the output: the step samples one token more than
    the draft has. The first token of an output is sampled without one, since continuations join there.
    """
    budget = len(prices.tokens) - 1
    share = max(budget // len(decodes), 1)
    places, requests = list[int](), list[DraftRequest]()
    for place, (sequence, _, _) in enumerate(decodes):
        limit = min(share, sequence.tokens_left - 1)
        if limit > 0 and sequence.num_output_tokens and len(requests) < budget:
            places.append(place)
            requests.append(DraftRequest(sequence, limit))
    if not requests:
        return 0.0
    price = max(min(following - cost for cost, following in pairwise(prices.tokens)), _MIN_PRICE)
    drafts = [
        _shortened(request, draft) for request, draft in zip(requests, drafter.propose(requests, price), strict=True)
    ]
    contexts = [prices.context * request.sequence.num_computed_tokens for request in requests]
    lengths = worthwhile_lengths(drafts, contexts, prices.tokens)
    count, total = 0, 0.0
    for place, draft, context, length in zip(places, drafts, contexts, lengths, strict=True):
        if length and (room := running.grow_for_draft(decodes[place].sequence, length)):
            decodes[place] = decodes[place]._replace(draft=tuple(draft.tokens[:room]))
            count, total = count + room, total + draft_reads(room) * context
    return max((total + prices.tokens[count]) / count, _MIN_PRICE) if count else 0.0


def worthwhile_lengths(
    drafts: abc.Sequence[Draft], contexts: abc.Sequence[float], costs: abc.Sequence[float]
) -> list[int]:
    """The lengths of the drafts that maximise expected tokens minus cost. `contexts`: the cost of one reading of each
    sequence's context. `costs`: of 0, 1, ... draft tokens, without contexts. The first draft token of a step may cost
    more than it can gain, and the next ones almost nothing."""
    gains = sorted(
        (
            (draft.start * draft.probability**n - context * draft_reads(len(draft.tokens)) / len(draft.tokens), place)
            for place, (draft, context) in enumerate(zip(drafts, contexts, strict=True))
            for n in range(len(draft.tokens))
        ),
        key=lambda gain: -gain[0],
    )
    gain = best = 0.0
    count = 0
    for number, (net, _) in enumerate(gains[: len(costs) - 1], start=1):
        gain += net
        if gain - costs[number] > best:
            best, count = gain - costs[number], number
    lengths = [0] * len(drafts)
    for _, place in gains[:count]:
        lengths[place] += 1
    # A draft that became shorter reads its context more often for each token.
    return [
        length if _expected(draft, length) > context * draft_reads(length) else 0
        for draft, context, length in zip(drafts, contexts, lengths, strict=True)
    ]


def _expected(draft: Draft, length: int) -> float:
    """The expected number of accepted tokens among the first `length`."""
    return sum(draft.start * draft.probability**n for n in range(length))


def _shortened(request: DraftRequest, draft: Draft) -> Draft:
    """The draft within its limit and before a stop token."""
    tokens, stop_tokens = draft.tokens[: request.max_tokens], request.sequence.request.stop_tokens
    end = next((end for end, token in enumerate(tokens) if token in stop_tokens), len(tokens))
    return draft._replace(tokens=tokens[:end])
