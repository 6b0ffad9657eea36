"""Log-probabilities under the model's own distribution."""

from collections.abc import Iterable

import numpy as np

from forefront.engine.generation import Logprob, Token
from forefront.engine.model.logits import Logits
from forefront.engine.scheduling.sequence import Sequence


def token_logprobs(
    logits: Logits, row: int, temperature: float, token: int, alternatives: int
) -> tuple[float, tuple[Logprob, ...]]:
    """The log-probability of `token` in a row, and those of the row's `alternatives` most likely tokens. `temperature`:
    that of `Logits.log_sum` in this row."""
    log_sum = float(logits.log_sum[row]) if temperature == 1 else _log_sum(logits, row)
    # Rounding may raise a probability above one.
    top = tuple(
        Logprob(other, min(value - log_sum, 0.0))
        for other, value in zip(
            logits.top_tokens[row, :alternatives].tolist(), logits.top[row, :alternatives].tolist(), strict=True
        )
    )
    return min(float(logits.full[row, token]) - log_sum, 0.0), top


def score_prompt(sequence: Sequence, rows: Iterable[int], logits: Logits) -> None:
    """Score the next prompt tokens of a sequence, each by the row before it, which has temperature 1."""
    alternatives, scores = sequence.request.prompt_logprobs, sequence.generation.prompt_scores
    assert alternatives is not None
    for row in rows:
        token = sequence.tokens[len(scores)]
        scores.append(Token(sequence.index, token, None, *token_logprobs(logits, row, 1.0, token, alternatives)))


def _log_sum(logits: Logits, row: int) -> float:
    """Log-sum-exp of a row at temperature 1."""
    peak = logits.top[row, 0]
    return float(peak) + float(np.log(np.exp(logits.full[row] - peak).sum(dtype=np.float64)))
