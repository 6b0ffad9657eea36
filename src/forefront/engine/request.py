"""What one may ask of the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from forefront.engine.sampling.constraint import ConstraintFactory
from forefront.fairness.tenant import NO_TENANT, Tenant

# Logits divided by less than this are beyond what float32 tells apart: only the likeliest token is left.
COLDEST: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn from the model's distribution.

    Applied in this order, to the tokens that a constraint allows: repetition penalty (over prompt and answer), presence
    and frequency penalty (over the answer), `logit_bias` (token id → added to its logit), temperature (less than
    `COLDEST` becomes 0: take the likeliest token), `min_p`, `top_k` (0: all), `top_p`. `seed` fixes the draws of this
    request. `top_logprobs`: None for no log-probabilities, else how many alternatives to report; they are of the
    model's own distribution, before any of the above.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None
    top_logprobs: int | None = None

    def __post_init__(self) -> None:
        if self.temperature < COLDEST:
            object.__setattr__(self, "temperature", 0.0)

    @property
    def changes_logits(self) -> bool:
        """Whether any penalty or bias needs the whole row of logits rewritten before drawing."""
        return (
            bool(self.logit_bias)
            or self.presence_penalty != 0
            or self.frequency_penalty != 0
            or self.repetition_penalty != 1
        )


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """`n` continuations of `prompt` (token ids), each of at most `max_tokens` tokens.

    A continuation ends early with a token of `stop_tokens`. KV blocks are shared only between requests of the
    same `tenant`. `prompt_logprobs`: None for none, else how many alternatives to report for each token of the prompt
    too, all of which is then computed anew. `constraint` makes what says, for one continuation, which tokens may come
    next; it needs stop tokens.
    """

    prompt: Sequence[int]
    max_tokens: int
    sampling: Sampling = Sampling()
    n: int = 1
    stop_tokens: frozenset[int] = frozenset()
    tenant: Tenant = NO_TENANT
    prompt_logprobs: int | None = None
    constraint: ConstraintFactory | None = None
