"""The events of an answer, in order: `Started`; for each choice any number of deltas and one `ChoiceEnd`; `Completed`.
An answer that fails raises `ApiError` instead."""

from dataclasses import dataclass

from forefront.wire.response import EffectiveSampling, FinishReason, TokenLogprob


@dataclass(frozen=True, slots=True)
class Started:
    """The prompt has been read: `prompt_tokens`, of which `cached_tokens` came from the KV cache. `fingerprint` takes
    the place of the model's own."""

    prompt_tokens: int
    cached_tokens: int
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of choice `index`. `logprobs` are those of its tokens, if requested."""

    index: int
    text: str
    logprobs: list[TokenLogprob] | None = None


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More reasoning of choice `index`."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallBegin:
    """A call of a function or a custom tool begins: number `call` of choice `index`, counted from 0."""

    index: int
    call: int
    name: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of the arguments of a tool call: JSON text, or the input of a custom tool."""

    index: int
    call: int
    arguments: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceEnd:
    """Choice `index` is complete. `stop_string` is the one that ended it, if that is known."""

    index: int
    reason: FinishReason
    stop_string: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamReport:
    """The replica that answered, and the model's name there. The rest is what it states of its computation."""

    name: str
    model: str
    weights: str = "unknown"
    quantization: str = "unknown"
    engine: str = "unknown"


@dataclass(frozen=True, slots=True)
class RunReport:
    """The effective sampling values of an answer, and the seconds that it waited, read the prompt and generated.
    `upstream` is set for an answer of another server. `moves`: between replicas of a cluster."""

    sampling: EffectiveSampling
    queue_seconds: float
    prefill_seconds: float
    decode_seconds: float
    upstream: UpstreamReport | None = None
    moves: int = 0


@dataclass(frozen=True, slots=True)
class Completed:
    """Every choice is complete. `completion_tokens` were sampled for all of them, each up to its end."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int = 0
    report: RunReport | None = None


Delta = TextDelta | ReasoningDelta | ToolCallBegin | ToolCallDelta
Event = Started | Delta | ChoiceEnd | Completed
