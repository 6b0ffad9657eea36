"""Penalties and biases on a row of logits."""

import numpy as np
import numpy.typing as npt

from forefront.engine.scheduling.sequence import Sequence


def penalized(row: npt.NDArray[np.floating], sequence: Sequence) -> npt.NDArray[np.floating]:
    """A copy of a row of logits [V] with the sequence's penalties and bias applied."""
    sampling = sequence.request.sampling
    row = row.copy()
    if sampling.has_penalties:
        tokens = sequence.token_counts.tokens
        values = row[tokens]
        if sampling.repetition_penalty != 1:
            values = np.where(values > 0, values / sampling.repetition_penalty, values * sampling.repetition_penalty)
        if sampling.presence_penalty or sampling.frequency_penalty:
            counts = sequence.token_counts.output_counts
            values = values - (sampling.presence_penalty * (counts > 0) + sampling.frequency_penalty * counts)
        row[tokens] = values
    if sampling.logit_bias:
        row[np.fromiter(sampling.logit_bias.keys(), np.int64)] += np.fromiter(sampling.logit_bias.values(), np.float64)
    return row
