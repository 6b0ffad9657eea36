"""A request's sampling values, defaults filled in."""

import secrets

from forefront.engine.request import SamplingParams
from forefront.wire.errors import ApiError
from forefront.wire.request import SampledRequest


def sampling_of(request: SampledRequest, top_logprobs: int | None, vocabulary_size: int) -> SamplingParams:
    """How the engine draws this request's tokens. Raises `ApiError` for a bias on a token that does not exist."""
    bias = {int(token): value for token, value in (request.logit_bias or {}).items()}
    if bias and max(bias) >= vocabulary_size:
        text = f"`logit_bias` names token {max(bias)}, but the vocabulary ends at {vocabulary_size - 1}."
        raise ApiError("invalid_value", text, param="logit_bias")
    return SamplingParams(
        temperature=_default(request.temperature, 1.0),
        top_p=_default(request.top_p, 1.0),
        top_k=request.top_k or 0,
        min_p=_default(request.min_p, 0.0),
        presence_penalty=_default(request.presence_penalty, 0.0),
        frequency_penalty=_default(request.frequency_penalty, 0.0),
        repetition_penalty=_default(request.repetition_penalty, 1.0),
        logit_bias=bias,
        # Drawn here, so that the receipt can name it; small enough for every JSON reader.
        seed=secrets.randbits(53) if request.seed is None else request.seed,
        top_logprobs=top_logprobs,
    )


def _default(value: float | None, default: float) -> float:
    return default if value is None else value
