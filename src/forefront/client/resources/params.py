"""The parameters of the SDK's methods."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from forefront.client.resources.message_params import (
    FunctionParam,
    GrammarParam,
    MessageParam,
    PredictionParam,
    ResponseFormatParam,
    StreamOptionsParam,
    ToolChoiceParam,
    ToolNameParam,
    ToolParam,
)
from forefront.client.settings import TimeoutLike
from forefront.wire.record import Record

Prompt: TypeAlias = str | Sequence[str | int | Sequence[int]]
"""A text to continue, its token ids, or several of these."""


class CallOptions(TypedDict, total=False):
    """Options of all requests with a body.

    `extra_body` has fields that this SDK does not know, `extra_headers` headers of this request alone. `timeout` is the
    read timeout in seconds, a `Timeout`, or None for no limit; the client's by default. `idempotency_key` identifies
    the call, so that the server runs it once however often it is sent; a random key by default.
    """

    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    timeout: TimeoutLike
    idempotency_key: str | None


class RequestParams(CallOptions, total=False):
    """Parameters of all requests to a model. None means the same as no value. `model` is optional if the client has a
    default."""

    model: str | None


class GenerationParams(RequestParams, total=False):
    """Parameters of both kinds of completions; `docs/api.md` describes each."""

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
    grammar: str | GrammarParam | None
    deadline_ms: int | None
    stream_options: StreamOptionsParam | None
    user: str | None


class ConversationParams(GenerationParams, total=False):
    """Parameters of `chat.completions.parse`, without `messages` and `response_format`."""

    max_tokens: int | None
    max_completion_tokens: int | None
    logprobs: bool | None
    top_logprobs: int | None
    tools: Iterable[ToolParam] | None
    tool_choice: ToolChoiceParam | None
    parallel_tool_calls: bool | None
    functions: Iterable[FunctionParam] | None
    function_call: Literal["none", "auto"] | ToolNameParam | None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    prediction: PredictionParam | None
    metadata: Mapping[str, str] | None
    store: bool | None
    service_tier: str | None
    prompt_cache_key: str | None


class ChatParams(ConversationParams, total=False):
    """Parameters of `chat.completions.create`, without `messages` and `stream`."""

    response_format: ResponseFormatParam | None


class TextParams(GenerationParams, total=False):
    """Parameters of `completions.create`, without `prompt` and `stream`."""

    max_tokens: int | None
    logprobs: int | None
    echo: bool | None
    response_format: ResponseFormatParam | None


ResponseInput: TypeAlias = str | Iterable[Mapping[str, Any] | Record]
"""A text of the user, or items: dicts, or output items of earlier responses."""


ConversationItems: TypeAlias = Iterable[Mapping[str, Any] | Record]
"""Items of a conversation: dicts, or output items of responses."""


class ResponseParams(RequestParams, total=False):
    """Parameters of `responses.create`, without `input` and `stream`; `docs/responses.md` describes each."""

    instructions: str | None
    tools: Iterable[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    text: Mapping[str, Any] | None
    reasoning: Mapping[str, Any] | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    include: Sequence[str] | None
    top_logprobs: int | None
    store: bool | None
    previous_response_id: str | None
    conversation: str | Mapping[str, Any] | None
    background: bool | None
    truncation: Literal["disabled"] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    repetition_penalty: float | None
    logit_bias: Mapping[str, float] | Mapping[int, float] | None
    regex: str | None
    grammar: str | GrammarParam | None
    deadline_ms: int | None
    metadata: Mapping[str, str] | None
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    service_tier: str | None


class ItemsParams(TypedDict, total=False):
    """Parameters of `responses.input_items` and `conversations.items.list`: a page of up to `limit` items, after or
    before the item of an id."""

    limit: int | None
    order: Literal["asc", "desc"] | None
    after: str | None
    before: str | None


class ConversationCreateParams(CallOptions, total=False):
    """Parameters of `conversations.create`: the first items, at most 20, and labels."""

    items: ConversationItems | None
    metadata: Mapping[str, str] | None


class EmbeddingParams(RequestParams, total=False):
    """Parameters of `embeddings.create`, without `input`."""

    encoding_format: Literal["float", "base64"] | None
    dimensions: int | None
    user: str | None


class RerankParams(RequestParams, total=False):
    """Parameters of `rerank.create`, without `query` and `documents`."""

    top_n: int | None
    return_documents: bool | None


class TokenizeParams(RequestParams, total=False):
    """Parameters of `tokens.tokenize`: `prompt`, or `messages` with `tools`."""

    prompt: str | None
    messages: Iterable[MessageParam] | None
    tools: Iterable[ToolParam] | None
    add_special_tokens: bool | None
    return_token_strs: bool | None
