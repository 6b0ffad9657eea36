"""What the methods of the SDK take, as types."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from forefront.client.settings import TimeoutLike
from forefront.wire.record import Record

MessageLike: TypeAlias = Mapping[str, Any] | Record
"""A turn of the conversation: `{"role": …, "content": …}`, or the message of an earlier completion."""

Prompt: TypeAlias = str | Sequence[str | int | Sequence[int]]
"""A text to continue, its token ids, or several of these."""


class SampledParams(TypedDict, total=False):
    """What both kinds of completions take; `forefront.wire.request.SampledRequest` describes each.

    None means the same as leaving it out. `model` may be left out where the client has a default. `extra_body` holds
    fields that this SDK does not know, `extra_headers` goes with this request alone. `timeout` is the longest silence
    of the server in seconds, or a `Timeout`; None is no limit; left out, it is the client's. `idempotency_key` names
    the call, so that the server runs it once however often it is sent; left out, one is made up.
    """

    model: str | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    stop: str | Sequence[str] | None
    stop_token_ids: Sequence[int] | None
    min_tokens: int | None
    ignore_eos: bool | None
    seed: int | None
    n: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    repetition_penalty: float | None
    logit_bias: Mapping[str, float] | Mapping[int, float] | None
    regex: str | None
    grammar: str | Mapping[str, str] | None
    deadline_ms: int | None
    stream_options: Mapping[str, bool | None] | None
    user: str | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    timeout: TimeoutLike
    idempotency_key: str | None


class ConversationParams(SampledParams, total=False):
    """What `parse` takes, besides `messages` and `response_format`; `forefront.wire.request.ChatRequest` describes
    it."""

    max_tokens: int | None
    max_completion_tokens: int | None
    logprobs: bool | None
    top_logprobs: int | None
    tools: Iterable[Mapping[str, Any]] | None
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    functions: Iterable[Mapping[str, Any]] | None
    function_call: Literal["none", "auto"] | Mapping[str, Any] | None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
    metadata: Mapping[str, str] | None
    store: bool | None
    service_tier: str | None
    prompt_cache_key: str | None


class ChatParams(ConversationParams, total=False):
    """What `chat.completions.create` takes, besides `messages` and `stream`."""

    response_format: Mapping[str, Any] | None


class TextParams(SampledParams, total=False):
    """What `completions.create` takes, besides `prompt` and `stream`; `forefront.wire.request.CompletionRequest`
    describes it."""

    max_tokens: int | None
    logprobs: int | None
    echo: bool | None
    response_format: Mapping[str, Any] | None
