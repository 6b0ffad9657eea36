"""Log-probabilities, under the model's own distribution."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from forefront.engine.generation import Logprob, Token

if TYPE_CHECKING:
    from forefront.engine.sampling.sampler import Logits
    from forefront.engine.scheduling.sequence import Sequence


def told(logits: "Logits", row: int, token: int, alternatives: int) -> tuple[float, tuple[Logprob, ...]]:
    """The log-probability of `token` in a row, and of the row's `alternatives` likeliest tokens."""
    full = logits.full[row].astype(np.float64)
    log_sum = full.max() + np.log(np.exp(full - full.max()).sum())
    top = tuple(
        Logprob(int(other), float(value - log_sum))
        for other, value in zip(logits.top_tokens[row, :alternatives], logits.top[row, :alternatives], strict=True)
    )
    return float(full[token] - log_sum), top


def score_prompt(sequence: "Sequence", rows: Iterable[int], logits: "Logits") -> None:
    """Score the next of the sequence's prompt tokens, each by the row before it."""
    alternatives, scores = sequence.request.prompt_logprobs, sequence.generation.prompt_scores
    assert alternatives is not None
    for row in rows:
        token = sequence.tokens[len(scores)]
        scores.append(Token(sequence.index, token, None, *told(logits, row, token, alternatives)))
