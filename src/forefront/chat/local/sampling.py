"""Sampling values: from a request to the engine, and from the engine's request to the receipt."""

import secrets

from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.wire.completions.request import ChatRequest, SampledRequest
from forefront.wire.errors import RequestError
from forefront.wire.receipt import EffectiveSampling


def sampling_of(request: SampledRequest, top_logprobs: int | None, vocabulary_size: int) -> SamplingParams:
    """The request's values, with defaults. Raises `RequestError` for a bias on a token outside the vocabulary."""
    bias = {int(token): value for token, value in (request.logit_bias or {}).items()}
    if bias and max(bias) >= vocabulary_size:
        text = f"`logit_bias` names token {max(bias)}, but the vocabulary ends at {vocabulary_size - 1}."
        raise RequestError("invalid_value", text, param="logit_bias")
    if request.stop_token_ids and max(request.stop_token_ids) >= vocabulary_size:
        text = f"`stop_token_ids` names token {max(request.stop_token_ids)}, but the vocabulary ends at "
        raise RequestError("invalid_value", f"{text}{vocabulary_size - 1}.", param="stop_token_ids")
    return SamplingParams(
        temperature=_default(request.temperature, 1.0),
        top_p=_default(request.top_p, 1.0),
        top_k=max(request.top_k or 0, 0),
        min_p=_default(request.min_p, 0.0),
        presence_penalty=_default(request.presence_penalty, 0.0),
        frequency_penalty=_default(request.frequency_penalty, 0.0),
        repetition_penalty=_default(request.repetition_penalty, 1.0),
        logit_bias=bias,
        # Drawn here, so that the receipt can name it. 53 bits are exact in every JSON reader.
        seed=secrets.randbits(53) if request.seed is None else request.seed,
        # A client that predicts its answer prefers speed.
        repeatable=request.seed is not None and not (isinstance(request, ChatRequest) and request.prediction),
        top_logprobs=top_logprobs,
    )


def effective_sampling(request: GenerateRequest) -> EffectiveSampling:
    """The values that the engine samples with, as the receipt shows them."""
    sampling = request.sampling
    return EffectiveSampling(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        repetition_penalty=sampling.repetition_penalty,
        max_tokens=request.max_tokens,
        seed=sampling.seed,
    )


def _default(value: float | None, default: float) -> float:
    return default if value is None else value
