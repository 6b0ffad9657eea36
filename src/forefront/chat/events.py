"""The events of an answer, in order: `Started`; for each choice any number of deltas and one `ChoiceEnd`; `Completed`.
An answer that fails raises `RequestError` instead.

Events are msgspec structs: each token makes one, in a third of the time of a frozen dataclass.
"""

import msgspec

from forefront.wire.completions.response import FinishReason, TokenLogprob
from forefront.wire.receipt import EffectiveSampling


class Started(msgspec.Struct, frozen=True):
    """The prompt has been read: `prompt_tokens`, of which `cached_tokens` came from the KV cache. `fingerprint` takes
    the place of the model's own."""

    prompt_tokens: int
    cached_tokens: int
    fingerprint: str | None = None


class ContentDelta(msgspec.Struct, frozen=True):
    """More text of choice `index`. `logprobs` are those of its tokens, if requested."""

    index: int
    text: str
    logprobs: list[TokenLogprob] | None = None


class ReasoningDelta(msgspec.Struct, frozen=True):
    """More reasoning of choice `index`."""

    index: int
    text: str


class ToolCallBegin(msgspec.Struct, frozen=True):
    """A call of a function or a custom tool begins: number `call` of choice `index`, counted from 0."""

    index: int
    call: int
    name: str
    custom: bool = False


class ToolInputDelta(msgspec.Struct, frozen=True):
    """More of the arguments of a tool call: JSON text, or the input of a custom tool."""

    index: int
    call: int
    arguments: str
    custom: bool = False


class ChoiceEnd(msgspec.Struct, frozen=True):
    """Choice `index` is complete. `stop_string`: the one that ended it, if known."""

    index: int
    reason: FinishReason
    stop_string: str | None = None


class UpstreamReport(msgspec.Struct, frozen=True):
    """The replica that answered, and the model's name there. The rest is its own description of the computation."""

    name: str
    model: str
    weights: str = "unknown"
    quantization: str = "unknown"
    engine: str = "unknown"


class RunReport(msgspec.Struct, frozen=True):
    """The effective sampling values of an answer, and the seconds that it waited, read the prompt and generated.
    `upstream` is set for an answer of another server. `moves`: between replicas of a cluster."""

    sampling: EffectiveSampling
    queue_seconds: float
    prefill_seconds: float
    decode_seconds: float
    upstream: UpstreamReport | None = None
    moves: int = 0


class Completed(msgspec.Struct, frozen=True):
    """Every choice is complete. `completion_tokens` were sampled for all of them, each up to its end. `predicted`: the
    accepted and rejected tokens of the request's prediction, None without one."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int = 0
    report: RunReport | None = None
    predicted: tuple[int, int] | None = None


AnswerDelta = ContentDelta | ReasoningDelta | ToolCallBegin | ToolInputDelta
Event = Started | AnswerDelta | ChoiceEnd | Completed
