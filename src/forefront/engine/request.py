"""A generation request: prompt, limits, sampling settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from forefront.engine.constraint import Constraint, ConstraintFactory
from forefront.fairness.tenant import NO_TENANT, Tenant

# Below this temperature, float32 cannot distinguish logits ÷ temperature, and only the most likely token remains.
MIN_TEMPERATURE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """The parameters of sampling from the model's distribution.

    Applied in this order, to the tokens that a constraint allows: repetition penalty (over prompt and output), presence
    and frequency penalty (over the output), `logit_bias` (token id → added to its logit), temperature (less than
    `MIN_TEMPERATURE` becomes 0: the most likely token), `min_p`, `top_k` (0: all), `top_p`. `seed` fixes the random
    numbers of the request. `repeatable`: the client chose the seed, so equal requests should give equal outputs, and a
    step's rounding must not depend on drafts. `top_logprobs`: None for no log-probabilities, else the number of
    alternatives to report. Log-probabilities are of the model's own distribution, before any of the above.
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
    repeatable: bool = False
    top_logprobs: int | None = None

    def __post_init__(self) -> None:
        if self.temperature < MIN_TEMPERATURE:
            object.__setattr__(self, "temperature", 0.0)

    @property
    def changes_logits(self) -> bool:
        """Whether a penalty or a bias changes the row of logits before drawing."""
        return bool(self.logit_bias) or self.has_penalties

    @property
    def has_penalties(self) -> bool:
        """Whether the logits depend on the tokens so far."""
        return self.presence_penalty != 0 or self.frequency_penalty != 0 or self.repetition_penalty != 1

    @property
    def logits_temperature(self) -> float:
        """The temperature for the graph's log-sum-exp; 1 for greedy rows."""
        return self.temperature or 1.0


@dataclass(frozen=True, slots=True)
class ResumedOutput:
    """The beginning of continuation `index`, sampled by another engine with the same weights: its tokens, and its
    constraint, which has accepted them (`engine/constraint.py`, `replay`)."""

    index: int
    tokens: Sequence[int]
    constraint: Constraint | None = None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """`n` continuations of `prompt` (token ids), each of at most `max_tokens` tokens.

    A token of `stop_tokens` ends a continuation. `prediction`: expected output tokens, which make the output faster
    where they are correct. KV blocks are shared only between requests of the same `tenant`. `prompt_logprobs`: the
    number of alternatives to report for each prompt token; None for no log-probabilities. The prompt is then computed
    without the prefix cache. `constraint` creates the constraint of one continuation; it requires stop tokens.

    With `resumed`, only those continuations are generated, after their existing tokens, which count towards
    `max_tokens` and penalties and have consumed random numbers of the seed.
    """

    prompt: Sequence[int]
    max_tokens: int
    sampling: SamplingParams = SamplingParams()
    n: int = 1
    stop_tokens: frozenset[int] = frozenset()
    tenant: Tenant = NO_TENANT
    prompt_logprobs: int | None = None
    constraint: ConstraintFactory | None = None
    resumed: Sequence[ResumedOutput] = ()
    prediction: Sequence[int] = ()

    @property
    def num_continuations(self) -> int:
        """The continuations to generate."""
        return len(self.resumed) or self.n
