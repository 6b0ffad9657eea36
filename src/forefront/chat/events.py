"""What a backend says while it answers, in order: `Started`; for each choice any number of deltas and one `ChoiceEnd`;
`Completed`. Whatever ends otherwise raises `ApiError`."""

from dataclasses import dataclass

from forefront.wire.response import EffectiveSampling, FinishReason, TokenLogprob


@dataclass(frozen=True, slots=True)
class Started:
    """The first token is there: `prompt_tokens` were read, `cached_tokens` of them from the KV cache. `unenforced` are
    the paths of keywords of schemas that do not bind the answer."""

    prompt_tokens: int
    cached_tokens: int
    unenforced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of choice `index`; `logprobs` are those of the tokens it came from, when asked for."""

    index: int
    text: str
    logprobs: list[TokenLogprob] | None = None


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of what the model thinks before it answers, in choice `index`."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallBegin:
    """The model calls a function or a custom tool: the `call`th call of choice `index`, counted from 0."""

    index: int
    call: int
    name: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of the arguments of a call that has begun: JSON text, or, of a custom tool, its input."""

    index: int
    call: int
    arguments: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceEnd:
    """Choice `index` is complete."""

    index: int
    reason: FinishReason


@dataclass(frozen=True, slots=True)
class Work:
    """How an answer was made: with which values, and how many seconds each part took."""

    sampling: EffectiveSampling
    queue: float
    prefill: float
    decode: float


@dataclass(frozen=True, slots=True)
class Completed:
    """Every choice is complete. `completion_tokens` is what the engine sampled for all of them, up to each end."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int = 0
    work: Work | None = None


Delta = TextDelta | ReasoningDelta | ToolCallBegin | ToolCallDelta
Event = Started | Delta | ChoiceEnd | Completed
