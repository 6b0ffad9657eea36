"""From logits to tokens: exact draws, mostly from the 64 most likely tokens.

Greedy rows without a mask need no more than the first of their top tokens. Other draws are decided by the top tokens of
all rows at once (`top_tokens.py`). The whole row is used (`full_logits.py`) where the draw or the nucleus reaches
beyond the top tokens, or a penalty or bias changes the row. Both ways draw from the same distribution.

A draft is verified token by token: each row is sampled as it would be without the draft, and sampling goes on to the
next row while the sampled token is the draft's. The output is therefore that of sampling without a draft.
"""

from collections import abc
from typing import NamedTuple

from forefront.engine.constraint import Mask
from forefront.engine.generation import Token
from forefront.engine.model.logits import Logits
from forefront.engine.sampling.full_logits import choose_from_masked_row, choose_from_row
from forefront.engine.sampling.logprobs import token_logprobs
from forefront.engine.sampling.penalties import penalized
from forefront.engine.sampling.top_tokens import Draw, draw_from_top, most_likely_allowed
from forefront.engine.scheduling.sequence import Sequence


class SamplerInput(NamedTuple):
    """The rows of logits for a sequence's next tokens: `row` for the first, `row + i` for the one after the i-th token
    of `draft`. `masks`: one for each row that may be sampled; empty without a constraint."""

    sequence: Sequence
    row: int
    draft: tuple[int, ...] = ()
    masks: abc.Sequence[Mask | None] = ()


class SamplerOutput(NamedTuple):
    """The sampled tokens of a sequence, which are appended to it. The first `num_accepted` are the draft's."""

    sequence: Sequence
    tokens: list[Token]
    num_accepted: int


def sample(inputs: abc.Sequence[SamplerInput], logits: Logits) -> list[SamplerOutput]:
    """Sample the next tokens of each sequence: one, and one more for each accepted token of its draft.

    A sequence whose constraint fails gets none. One that can only continue with its end gets that as well.
    """
    most_likely: list[int] = logits.top_tokens[:, 0].tolist()
    uniforms = [_take_uniforms(item) for item in inputs]
    draws = [
        Draw(item.row + offset, item.sequence.request.sampling, uniform, item.masks[offset] if item.masks else None)
        for item, its_uniforms in zip(inputs, uniforms, strict=True)
        if its_uniforms and not item.sequence.request.sampling.changes_logits
        for offset, uniform in enumerate(its_uniforms)
    ]
    drawn = iter(draw_from_top(draws, logits))
    outputs = []
    for item, its_uniforms in zip(inputs, uniforms, strict=True):
        sampling = item.sequence.request.sampling
        count = _num_rows(item)
        if sampling.changes_logits:
            candidates = [-1] * count
        elif its_uniforms:
            candidates = [next(drawn) for _ in its_uniforms]
        elif item.masks:
            candidates = [
                most_likely[item.row + i] if mask is None else most_likely_allowed(mask, item.row + i, logits)
                for i, mask in enumerate(item.masks)
            ]
        else:
            candidates = most_likely[item.row : item.row + count]
        outputs.append(_sample_sequence(item, candidates, its_uniforms, logits))
    return outputs


def _num_rows(item: SamplerInput) -> int:
    """Rows that may be sampled: a constraint may allow only the beginning of a draft."""
    return len(item.masks) or 1 + len(item.draft)


def _take_uniforms(item: SamplerInput) -> list[float]:
    """A random number for each row; none for greedy sequences."""
    sequence = item.sequence
    return [] if sequence.request.sampling.temperature == 0 else sequence.take_uniforms(_num_rows(item))


def _sample_sequence(
    item: SamplerInput, candidates: abc.Sequence[int], uniforms: list[float], logits: Logits
) -> SamplerOutput:
    """`candidates`: the token of each row, or -1 where the whole row must be used."""
    sequence, tokens, num_accepted = item.sequence, list[Token](), 0
    # A sequence whose constraint failed while its masks were computed has no masks.
    for offset, candidate in enumerate(candidates if sequence.failure is None else ()):
        if candidate < 0:
            candidate = _choose(item, offset, uniforms[offset] if uniforms else 0.0, logits)
        token = _append(sequence, candidate, item.row + offset, logits)
        if token is None:
            break
        tokens.append(token)
        if token.finish:
            break
        if sequence.ended:
            tokens.append(Token(sequence.index, min(sequence.request.stop_tokens), "stop"))
            break
        # A token counts as accepted if the next row was computed after it and may be sampled.
        if offset + 1 == len(candidates) or token.token != item.draft[offset]:
            break
        num_accepted += 1
    if len(tokens) < len(uniforms):
        sequence.give_back_uniforms(uniforms[len(tokens) :])
    return SamplerOutput(sequence, tokens, num_accepted)


def _choose(item: SamplerInput, offset: int, uniform: float, logits: Logits) -> int:
    """A token from a whole row."""
    sampling, row = item.sequence.request.sampling, item.row + offset
    values = logits.full[row]
    if sampling.changes_logits:
        values = penalized(values, item.sequence)
    mask = item.masks[offset] if item.masks else None
    if mask is None:
        return choose_from_row(values, logits.top_tokens[row], sampling, uniform)
    return choose_from_masked_row(values, mask, logits.top_tokens[row], sampling, uniform)


def _append(sequence: Sequence, drawn: int, row: int, logits: Logits) -> Token | None:
    """Append a token to the sequence; None if its constraint fails."""
    token, finish = sequence.append(drawn)
    if sequence.failure is not None:
        return None
    sampling = sequence.request.sampling
    if sampling.top_logprobs is None:
        return Token(sequence.index, token, finish)
    scores = token_logprobs(logits, row, sampling.logits_temperature, token, sampling.top_logprobs)
    return Token(sequence.index, token, finish, *scores)
