"""Draws from a whole row of logits, where the top tokens do not decide the draw."""

import numpy as np
import numpy.typing as npt

from forefront.engine.constraint import Mask
from forefront.engine.request import SamplingParams

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

# Leaves sign, exponent and five bits of a float32, so that a bin spans 3 % at most.
_BIN_SHIFT = 18


def choose_from_masked_row(row: Floats, mask: Mask, top_tokens: Ints, sampling: SamplingParams, uniform: float) -> int:
    """`choose_from_row` among the tokens that the mask has."""
    tokens = np.flatnonzero(np.unpackbits(mask.view(np.uint8), count=len(row), bitorder="little"))
    places = np.searchsorted(tokens, top_tokens)
    found = tokens[np.minimum(places, len(tokens) - 1)] == top_tokens
    return int(tokens[choose_from_row(row[tokens], places[found], sampling, uniform)])


def choose_from_row(row: Floats, top_tokens: Ints, sampling: SamplingParams, uniform: float) -> int:
    """Draw from a whole row of logits [V]. The `top_tokens` come first in the order of drawing, as in `draw_from_top`.
    Draws that they do not decide therefore fall on the other tokens with the correct probability."""
    if sampling.temperature == 0:
        return int(row.argmax())
    peak = row.max()
    if not np.isfinite(peak):  # a model with non-finite logits must not end the other sequences of the step
        return int(row.argmax())
    mass = np.exp((row - peak) / np.float32(sampling.temperature))
    if sampling.min_p:
        mass[mass < sampling.min_p * mass.max()] = 0
    if sampling.top_k or sampling.top_p < 1:
        return _choose_descending(mass, sampling, uniform)
    head = np.cumsum(mass[top_tokens], dtype=np.float64)
    mass[top_tokens] = 0
    tail = np.cumsum(mass, dtype=np.float64)
    first = head[-1] if len(head) else 0.0
    drawn = uniform * (first + tail[-1])
    if drawn < first:
        return int(top_tokens[(head <= drawn).sum()])
    place = int(np.searchsorted(tail, drawn - first, side="right"))
    # Rounding may carry the draw past the last token that has any mass.
    return place if place < len(tail) else int(np.flatnonzero(mass)[-1])


def _choose_descending(mass: Floats, sampling: SamplingParams, uniform: float) -> int:
    """Draw from the masses [V] within top_k and top_p, in descending order and, where equal, by token."""
    kept = mass
    if 0 < sampling.top_k < len(mass):
        kept = np.partition(mass, -sampling.top_k)[-sampling.top_k :]
    descent = _Descent(kept)
    total = descent.total
    if sampling.top_p < 1:
        # The nucleus ends with the mass that reaches its share: that which passes the number just below.
        _, _, total = descent.stop(float(np.nextafter(sampling.top_p * total, 0)))
    value, before, _ = descent.stop(uniform * total)
    return int(np.flatnonzero(mass == value)[before])


class _Descent:
    """Adds up masses from the largest to the smallest, without sorting them all.

    The bits of positive floats have the order of the floats, so their leading bits make bins in that order. Sums over
    bins locate the bin in which a sum is passed, and only that bin is sorted: the same cost for peaked and flat rows.
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
