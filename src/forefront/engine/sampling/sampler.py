"""From logits to tokens: exact draws, mostly from the 64 likeliest tokens alone.

The graph hands over the 64 largest logits of each row and the log-sum-exp of the whole row at its temperature, so the
probabilities of those 64 are exact. A draw that they decide is taken from them, for all rows at once. Where they do
not decide (the draw or the nucleus reaches beyond them, or a penalty or bias changes the row), the whole row is used.
Both ways draw from the same distribution.

Under a mask, what the allowed tokens add up to is known only to lie between two bounds: those of the 64 alone, and
those with everything else. A draw is decided if both bounds give the same token.
"""

from collections.abc import Sequence as Rows
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forefront.engine.generation import Token
from forefront.engine.request import Sampling
from forefront.engine.sampling.constraint import Mask
from forefront.engine.sampling.logprobs import told
from forefront.engine.sampling.mask_worker import Masks
from forefront.engine.scheduling.sequence import Sequence

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Flags = npt.NDArray[np.bool_]

_NO_LIMIT = 2**62
# Of the bits of a float32: what is left is sign, exponent and five bits, so that a bin spans 3 % at most.
_BIN_SHIFT = 18
# More than the error of a sum of probabilities that the graph computed in float32.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class Logits:
    """What the model says of n rows, with a vocabulary of V tokens. Views, valid until the model runs again.

    `top` and `top_tokens` [n, K]: the K largest logits in descending order, and their tokens. `log_sum` [n]: the
    log-sum-exp over the row of logit / temperature. `full` [n, V]: all logits.
    """

    top: Floats
    top_tokens: Ints
    log_sum: Floats
    full: Floats


def sampling_temperature(sampling: Sampling) -> float:
    """The temperature that the graph divides a row by; greedy rows are left as they are."""
    return sampling.temperature or 1.0


def sample(sequences: Rows[Sequence], rows: Rows[int], logits: Logits, masks: Masks) -> list[tuple[Sequence, Token]]:
    """Draw the next token of each sequence from row `rows[i]` of `logits`, and append it to the sequence.

    A sequence whose constraint has failed gets none; one that could only go on with its end gets that as well.
    """
    drawn = _draw(sequences, rows, logits, [masks.get(sequence) for sequence in sequences]) if sequences else []
    tokens = []
    for sequence, row, token in zip(sequences, rows, drawn, strict=True):
        if sequence.failure is None:
            made = _token(sequence, token, row, logits)
        if sequence.failure is None:
            tokens.append((sequence, made))
            if sequence.ended and not made.finish:
                tokens.append((sequence, Token(sequence.index, min(sequence.request.stop_tokens), "stop")))
    return tokens


def _draw(sequences: Rows[Sequence], rows: Rows[int], logits: Logits, masks: Rows[Mask | None]) -> list[int]:
    index = np.asarray(rows)
    settings = [sequence.request.sampling for sequence in sequences]
    draws = np.array(
        [0.0 if s.temperature == 0 else q.draws.random() for q, s in zip(sequences, settings, strict=True)]
    )
    top_tokens = logits.top_tokens[index]
    masked = np.array([mask is not None for mask in masks])
    allowed = _allowed(masks, top_tokens)
    chosen = _choose_among_top(settings, draws, logits.top[index], logits.log_sum[index], allowed, masked)
    tokens = []
    for i, (sequence, setting, mask) in enumerate(zip(sequences, settings, masks, strict=True)):
        if chosen[i] >= 0 and not setting.changes_logits:
            tokens.append(int(top_tokens[i, chosen[i]]))
            continue
        full = logits.full[rows[i]]
        row = _rewritten(full, sequence) if setting.changes_logits else full
        if mask is None:
            tokens.append(_choose_from_row(row, top_tokens[i], setting, draws[i]))
        else:
            tokens.append(_choose_from_masked(row, mask, top_tokens[i], setting, draws[i]))
    return tokens


def _allowed(masks: Rows[Mask | None], tokens: Ints) -> Flags:
    """For each row [n, K] of `tokens` whether its mask has them."""
    allowed = np.ones(tokens.shape, np.bool_)
    for i, mask in enumerate(masks):
        if mask is not None:
            words = tokens[i] >> 5
            bits = mask[np.minimum(words, len(mask) - 1)] >> (tokens[i] & 31).astype(np.uint32)
            allowed[i] = (bits & 1).astype(np.bool_) & (words < len(mask))
    return allowed


def _choose_among_top(
    settings: list[Sampling], draws: Floats, top: Floats, log_sum: Floats, allowed: Flags, masked: Flags
) -> Ints:
    """For each row the place of the drawn token among the top ones, or -1 where they do not decide the draw.

    `allowed` [n, K] are those of the top tokens that a mask leaves; `masked` [n] are the rows that have one.
    """
    count = top.shape[1]
    temperature = np.array([s.temperature for s in settings])[:, None]
    greedy = temperature[:, 0] == 0
    top_k = np.array([s.top_k or _NO_LIMIT for s in settings])
    top_p = np.array([s.top_p for s in settings])
    min_p = np.array([s.min_p for s in settings])[:, None]

    mass = np.exp(top / np.where(temperature == 0, 1, temperature) - log_sum[:, None])
    rank = np.cumsum(allowed, axis=1)
    least = min_p * (mass * allowed).max(axis=1, keepdims=True)
    kept = allowed & (rank <= top_k[:, None]) & (mass >= least)
    # Closed: no token beyond the top ones survives top_k and min_p, so `kept` is the whole set to draw from.
    closed = (rank[:, -1] >= top_k) | (mass[:, -1] < least[:, 0])
    cumulative = np.cumsum(np.where(kept, mass, 0), axis=1)
    low, rest = cumulative[:, -1], np.maximum(1 - mass.sum(axis=1), 0) + _ROUNDING
    # An open set has a known total only where nothing cuts the tail: no mask, no top_k, no min_p.
    untouched = ~masked & (top_k == _NO_LIMIT) & (min_p[:, 0] == 0)
    bounds = np.where(untouched, 1.0, [low, np.where(closed, low, low + rest)])[:, :, None]
    nucleus = (cumulative < top_p[:, None] * bounds).sum(axis=2)  # place of the token that completes the nucleus
    cut = top_p < 1
    reached = (nucleus[0] == nucleus[1]) & (nucleus[0] < count)
    inside = np.take_along_axis(cumulative, np.minimum(nucleus, count - 1).T, axis=1).T
    total = np.where(cut, inside, bounds[:, :, 0])
    place = (cumulative <= (draws * total)[:, :, None]).sum(axis=2)
    decided = (reached | ~cut) & (place[0] == place[1]) & (place[0] < count)
    first = np.where(rank[:, -1] > 0, allowed.argmax(axis=1), -1)
    return np.where(greedy, first, np.where(decided, place[0], -1))


def _choose_from_masked(row: Floats, mask: Mask, top_tokens: Ints, sampling: Sampling, draw: float) -> int:
    """The same as `_choose_from_row` for what the mask leaves of the row."""
    tokens = np.flatnonzero(np.unpackbits(mask.view(np.uint8), count=len(row), bitorder="little"))
    places = np.searchsorted(tokens, top_tokens)
    found = tokens[np.minimum(places, len(tokens) - 1)] == top_tokens
    return int(tokens[_choose_from_row(row[tokens], places[found], sampling, draw)])


def _choose_from_row(row: Floats, top_tokens: Ints, sampling: Sampling, draw: float) -> int:
    """Draw from a whole row of logits [V]. The `top_tokens` come first in the order of drawing, as they do in a draw
    among them alone: only so do the draws that those could not decide fall on the rest with the right probability."""
    if sampling.temperature == 0:
        return int(row.argmax())
    peak = row.max()
    if not np.isfinite(peak):  # a broken model, but no reason to end the other sequences of the step
        return int(row.argmax())
    mass = np.exp((row - peak) / np.float32(sampling.temperature))
    if sampling.min_p:
        mass[mass < sampling.min_p * mass.max()] = 0
    if sampling.top_k or sampling.top_p < 1:
        return _choose_descending(mass, sampling, draw)
    head = np.cumsum(mass[top_tokens], dtype=np.float64)
    mass[top_tokens] = 0
    tail = np.cumsum(mass, dtype=np.float64)
    first = head[-1] if len(head) else 0.0
    drawn = draw * (first + tail[-1])
    if drawn < first:
        return int(top_tokens[(head <= drawn).sum()])
    place = int(np.searchsorted(tail, drawn - first, side="right"))
    # Rounding may carry the draw past the last token that has any mass.
    return place if place < len(tail) else int(np.flatnonzero(mass)[-1])


def _choose_descending(mass: Floats, sampling: Sampling, draw: float) -> int:
    """Draw from what top_k and top_p leave of the masses [V], in descending order and, where equal, by token."""
    kept = mass
    if 0 < sampling.top_k < len(mass):
        kept = np.partition(mass, -sampling.top_k)[-sampling.top_k :]
    descent = _Descent(kept)
    total = descent.total
    if sampling.top_p < 1:
        # The nucleus ends with the mass that reaches its share: that which passes the number just below.
        _, _, total = descent.stop(float(np.nextafter(sampling.top_p * total, 0)))
    value, before, _ = descent.stop(draw * total)
    return int(np.flatnonzero(mass == value)[before])


class _Descent:
    """Adds up masses from the largest to the smallest, without sorting them all.

    The bits of positive floats have the order of the floats, so their leading bits make bins in that order. Sums over
    bins tell in which one a sum is passed, and only that one is sorted: the same cost for peaked and flat rows.
    """

    def __init__(self, masses: Floats) -> None:
        self._masses = masses
        self._bins = masses.view(np.int32) >> _BIN_SHIFT
        self._sums: Floats = np.cumsum(np.bincount(self._bins, weights=masses)[::-1], dtype=np.float64)
        self.total = float(self._sums[-1])

    def stop(self, target: float) -> tuple[float, int, float]:
        """The mass with which the sum passes `target`, how many equal ones come before it, and the sum with it.
        `target` is less than `total`."""
        bin_place = _passes(self._sums, target)
        before = self._sums[bin_place - 1] if bin_place else 0.0
        masses = np.sort(self._masses[self._bins == len(self._sums) - 1 - bin_place])[::-1]
        sums = before + np.cumsum(masses, dtype=np.float64)
        place = _passes(sums, target)
        return masses[place], int((masses[:place] == masses[place]).sum()), float(sums[place])


def _passes(sums: Floats, target: float) -> int:
    """The first place where `sums` are more than `target`; the last place, if rounding leaves them short of it."""
    return min(int(np.searchsorted(sums, target, side="right")), len(sums) - 1)


def _rewritten(row: Floats, sequence: Sequence) -> Floats:
    """A copy of the row with the sequence's penalties and bias applied."""
    sampling = sequence.request.sampling
    row = row.copy()
    if sampling.repetition_penalty != 1:
        seen = np.unique(np.asarray(sequence.tokens))
        values = row[seen]
        row[seen] = np.where(values > 0, values / sampling.repetition_penalty, values * sampling.repetition_penalty)
    if sequence.answer_counts and (sampling.presence_penalty or sampling.frequency_penalty):
        counted = np.fromiter(sequence.answer_counts.keys(), np.int64)
        counts = np.fromiter(sequence.answer_counts.values(), np.float64)
        row[counted] -= sampling.presence_penalty + sampling.frequency_penalty * counts
    if sampling.logit_bias:
        row[np.fromiter(sampling.logit_bias.keys(), np.int64)] += np.fromiter(sampling.logit_bias.values(), np.float64)
    return row


def _token(sequence: Sequence, drawn: int, row: int, logits: Logits) -> Token:
    token, finish = sequence.append(drawn)
    alternatives = sequence.request.sampling.top_logprobs
    if alternatives is None:
        return Token(sequence.index, token, finish)
    return Token(sequence.index, token, finish, *told(logits, row, token, alternatives))
