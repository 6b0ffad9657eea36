"""Responses: completions, stream chunks, preflights.

A superset of two shapes, so that clients written for either read it: the documented one (`message` at the top,
`usage.input_tokens`, `usage.output_tokens`) and the field's (`id`, `object`, `choices[].finish_reason`,
`usage.prompt_tokens`, …).
"""

from typing import Literal

import msgspec

from forefront.wire.completions.tools import FunctionCall, FunctionCallDelta, ToolCall, ToolCallDelta
from forefront.wire.receipt import Receipt
from forefront.wire.record import Record

# `stop`: the model ended, or a stop string did. `length`: the tokens ran out. `tool_calls`: it waits for results, and
# so with `function_call` for requests with `functions`. `deadline`: the time of `deadline_ms` was over.
# `content_filter`: the model's upstream withheld the rest.
FinishReason = Literal["stop", "length", "tool_calls", "function_call", "content_filter", "deadline"]


def _null() -> None:
    """The default of a field that is sent as null, where other defaults are left out."""


class TopLogprob(Record, kw_only=True):
    """One of the most likely tokens at a position. `bytes` are the token's UTF-8 bytes, which need not be whole
    characters; `logprob` is the natural logarithm of the model's own probability, before temperature and penalties."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(TopLogprob, kw_only=True):
    """A token that was chosen, with the most likely alternatives at its position."""

    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(Record, kw_only=True):
    """Log-probabilities of the tokens of one choice."""

    content: list[TokenLogprob] | None


class ResponseMessage(Record, kw_only=True, omit_defaults=True):
    """The model's message. `role`, `content` and `refusal` (null) are always there; `content` is null where there are
    only calls. Reasoning is in `reasoning_content`, and again in `reasoning`: clients read either. `function_call` is
    the one call of an answer to a request with `functions`."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None = msgspec.field(default_factory=_null)
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class Choice(Record, kw_only=True):
    """One of the `n` answers."""

    index: int
    message: ResponseMessage
    logprobs: ChoiceLogprobs | None = None
    finish_reason: FinishReason | None


class PromptTokensDetails(Record, kw_only=True):
    """Details of the prompt: `cached_tokens` of it were in the KV cache."""

    cached_tokens: int


class CompletionTokensDetails(Record, kw_only=True, omit_defaults=True):
    """The parts of the answer: `reasoning_tokens` of it were the model's reasoning. For a request with a `prediction`,
    `accepted_prediction_tokens` of the answer came from it; `rejected_prediction_tokens` were tried in vain, and are no
    part of `completion_tokens`."""

    reasoning_tokens: int
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class Usage(Record, kw_only=True):
    """Tokens in and out, counted by the engine, under both namings."""

    prompt_tokens: int
    completion_tokens: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None

    @classmethod
    def of(
        cls, prompt: int, completion: int, cached: int, reasoning: int = 0, predicted: tuple[int, int] | None = None
    ) -> "Usage":
        """The usage of a request with `prompt` tokens in, `completion` tokens out over all choices. `predicted`: the
        accepted and rejected tokens of its prediction."""
        accepted, rejected = predicted or (None, None)
        return cls(
            prompt_tokens=prompt,
            completion_tokens=completion,
            input_tokens=prompt,
            output_tokens=completion,
            total_tokens=prompt + completion,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=cached),
            completion_tokens_details=CompletionTokensDetails(
                reasoning_tokens=reasoning, accepted_prediction_tokens=accepted, rejected_prediction_tokens=rejected
            ),
        )


class ChatCompletion(Record, kw_only=True):
    """A whole answer. `message` repeats the first choice's message, as the documented response does."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str | None = None
    choices: list[Choice]
    usage: Usage
    message: ResponseMessage
    receipt: Receipt | None = None


class ChoiceDelta(Record, kw_only=True, omit_defaults=True):
    """The addition of a chunk to a choice; fields that add nothing are left out."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionCallDelta | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class OpeningDelta(ChoiceDelta, kw_only=True):
    """The first delta of a choice: its role, and that there is no refusal."""

    refusal: str | None = msgspec.field(default_factory=_null)


class ChunkChoice(Record, kw_only=True):
    """One choice's part of a chunk."""

    index: int
    delta: ChoiceDelta
    logprobs: ChoiceLogprobs | None = None
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(Record, kw_only=True, omit_defaults=True):
    """One event of a stream. The last one carries the `receipt`, and `usage` with
    `stream_options.include_usage`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str | None = None
    choices: list[ChunkChoice]
    usage: Usage | None = None
    receipt: Receipt | None = None


class CompletionLogprobs(Record, kw_only=True):
    """Log-probabilities of `POST /v1/completions`, one entry per token that `usage` counts.

    `token_logprobs` are natural logarithms, null for a prompt's first token; `top_logprobs` map the most likely tokens'
    texts to theirs; `text_offset` is the place in `text` where a token begins. The text of a control token is its name,
    that of a token without whole characters is `bytes:` and its bytes (`bytes:\\xe2\\x82`)."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


class CompletionChoice(Record, kw_only=True):
    """One continuation of one prompt. Prompt p's choices are those from p x `n` on. In a stream, a piece of it."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: FinishReason | None


class Completion(Record, kw_only=True):
    """The response of `POST /v1/completions`; in a stream, each of its events."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str | None = None
    choices: list[CompletionChoice]
    usage: Usage | None = None
    receipt: Receipt | None = None


class Preflight(Record, kw_only=True):
    """The prospects of a request, computed without answering it. All but `wait_seconds` are tokens or text.

    `prompt` is the rendered prompt. `cached_tokens` of the `prompt_tokens` are in the KV cache now.
    `max_tokens` is the longest answer that fits; `fits` says whether the requested one does, and `excess` by how many
    tokens it does not. `ahead` requests would run before it, which takes about `wait_seconds`.
    """

    object: Literal["chat.completion.preflight"] = "chat.completion.preflight"
    model: str
    prompt: str
    prompt_tokens: int
    cached_tokens: int
    context_length: int
    max_tokens: int
    fits: bool
    excess: int
    ahead: int
    wait_seconds: float


class Health(Record, kw_only=True):
    """`ok`: the process answers. `ready`: every model generates tokens."""

    status: Literal["ok", "ready"]


class CancelledCompletion(Record, kw_only=True):
    """A running completion has been cancelled."""

    id: str
    object: Literal["chat.completion.cancelled"] = "chat.completion.cancelled"
    cancelled: Literal[True] = True
