"""Draws from the most likely tokens of each row, for all rows of a step at once.

The graph returns the 64 largest logits of each row and the log-sum-exp of the whole row at its temperature, so the
probabilities of those 64 are exact. Under a mask, the sum of the allowed probabilities is known only to lie between two
bounds: those of the 64 alone, and those with everything else. A draw is decided if both bounds give the same token.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forefront.engine.constraint import Mask
from forefront.engine.model.logits import Logits
from forefront.engine.request import SamplingParams

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Flags = npt.NDArray[np.bool_]

_NO_LIMIT = 2**62
# More than the error of a sum of probabilities that the graph computes in float32.
_ROUNDING = 1e-5


class Draw(NamedTuple):
    """A token to draw from a row of logits. `uniform`: a random number from [0, 1)."""

    row: int
    sampling: SamplingParams
    uniform: float
    mask: Mask | None


def most_likely_allowed(mask: Mask, row: int, logits: Logits) -> int:
    """The most likely token of a row that the mask allows; -1 if it is not among the top tokens."""
    tokens = logits.top_tokens[row]
    allowed = _allowed(mask, tokens)
    place = int(allowed.argmax())
    return int(tokens[place]) if allowed[place] else -1


def draw_from_top(draws: Sequence[Draw], logits: Logits) -> list[int]:
    """The token of each draw, or -1 where the top tokens do not decide it. Temperatures are positive."""
    if not draws:
        return []
    rows = np.array([draw.row for draw in draws])
    tokens = logits.top_tokens[rows]
    masked = np.array([draw.mask is not None for draw in draws])
    allowed = np.ones(tokens.shape, np.bool_)
    for i, draw in enumerate(draws):
        if draw.mask is not None:
            allowed[i] = _allowed(draw.mask, tokens[i])
    places = _places(draws, logits.top[rows], logits.log_sum[rows], allowed, masked)
    chosen = np.take_along_axis(tokens, np.maximum(places, 0)[:, None], axis=1)[:, 0]
    return list(map(int, np.where(places >= 0, chosen, -1)))


def _allowed(mask: Mask, tokens: Ints) -> Flags:
    """Which of `tokens` [K] the mask has."""
    words = tokens >> 5
    bits = mask[np.minimum(words, len(mask) - 1)] >> (tokens & 31).astype(np.uint32)
    allowed: Flags = (bits & 1).astype(np.bool_) & (words < len(mask))
    return allowed


def _places(draws: Sequence[Draw], top: Floats, log_sum: Floats, allowed: Flags, masked: Flags) -> Ints:
    """For each draw [n] the place of its token among the top ones, or -1.

    `top` [n, K] and `log_sum` [n]: as in `Logits`. `allowed` [n, K]: which top tokens the mask has. `masked` [n]: which
    draws have a mask.
    """
    count = top.shape[1]
    settings = [draw.sampling for draw in draws]
    temperature = np.array([s.temperature for s in settings])[:, None]
    top_k = np.array([s.top_k or _NO_LIMIT for s in settings])
    top_p = np.array([s.top_p for s in settings])
    min_p = np.array([s.min_p for s in settings])[:, None]

    mass = np.exp(top / temperature - log_sum[:, None])
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
    uniform = np.array([draw.uniform for draw in draws])
    place = (cumulative <= (uniform * total)[:, :, None]).sum(axis=2)
    decided = (reached | ~cut) & (place[0] == place[1]) & (place[0] < count)
    return np.where(decided, place[0], -1)
