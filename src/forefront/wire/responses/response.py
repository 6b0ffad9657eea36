"""The response object and its output items."""

from typing import Any, Literal

import msgspec

from forefront.wire.completions.response import TokenLogprob
from forefront.wire.receipt import Receipt
from forefront.wire.record import Record, TaggedRecord
from forefront.wire.responses.request import JsonObject, JsonSchemaText, PlainText
from forefront.wire.responses.tools import ResponseTool, ResponseToolChoice

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class OutputText(TaggedRecord, kw_only=True, tag="output_text"):
    """A text of the model. `annotations` is always empty."""

    text: str
    annotations: list[Any] = msgspec.field(default_factory=list)
    logprobs: list[TokenLogprob] = msgspec.field(default_factory=list)


class OutputMessage(TaggedRecord, kw_only=True, tag="message"):
    """A message of the model."""

    id: str
    role: Literal["assistant"] = "assistant"
    status: ItemStatus
    content: list[OutputText]


class FunctionToolCall(TaggedRecord, kw_only=True, tag="function_call"):
    """A call of a function. The item with its result names the `call_id`."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class CustomToolCall(TaggedRecord, kw_only=True, tag="custom_tool_call"):
    """A call of a custom tool, with its text."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    input: str
    namespace: str | None = None


class OutputReasoningText(TaggedRecord, kw_only=True, tag="reasoning_text"):
    """Reasoning of the model."""

    text: str


class OutputSummaryText(TaggedRecord, kw_only=True, tag="summary_text"):
    """Reasoning of the model, where `reasoning.summary` was sent."""

    text: str


class OutputReasoning(TaggedRecord, kw_only=True, tag="reasoning"):
    """Reasoning: in `content`, or in `summary` for a request with `reasoning.summary`. `encrypted_content` is the text
    in another form, for requests that include it."""

    id: str
    status: ItemStatus
    summary: list[OutputSummaryText] = msgspec.field(default_factory=list)
    content: list[OutputReasoningText] = msgspec.field(default_factory=list)
    encrypted_content: str | None = None


OutputItem = OutputMessage | FunctionToolCall | CustomToolCall | OutputReasoning


class InputTokensDetails(Record, kw_only=True):
    """`cached_tokens` of the input were in the KV cache. `cache_write_tokens` are not counted: always 0."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(Record, kw_only=True):
    """`reasoning_tokens` of the output were the model's reasoning."""

    reasoning_tokens: int


class ResponseUsage(Record, kw_only=True):
    """Tokens in and out, counted by the engine."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseError(Record, kw_only=True):
    """The reason of a failed response."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class IncompleteDetails(Record, kw_only=True):
    """The reason of an incomplete response. `max_output_tokens` also means the end of the context, and `deadline`
    for that of `deadline_ms`."""

    reason: Literal["max_output_tokens", "deadline"]


class ReturnedText(Record, kw_only=True):
    """The form of the text."""

    format: PlainText | JsonObject | JsonSchemaText


class InputTokenCount(Record, kw_only=True):
    """The tokens of a request's prompt."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


class ReturnedReasoning(Record, kw_only=True):
    """The reasoning options of the request."""

    effort: str | None = None
    summary: str | None = None


class ReturnedConversation(Record, kw_only=True):
    """The conversation of the response."""

    id: str


class Response(Record, kw_only=True):
    """A response: its state, its output, and the fields of its request with defaults filled in. `created_at` and
    `completed_at` are in seconds since 1970. `store`: whether it is stored."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: ResponseStatus
    background: bool = False
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: list[OutputItem]
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: ReturnedConversation | None = None
    reasoning: ReturnedReasoning
    store: bool = False
    temperature: float = 1.0
    text: ReturnedText
    tool_choice: ResponseToolChoice = "auto"
    tools: list[ResponseTool]
    top_logprobs: int = 0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: Literal["disabled"] = "disabled"
    service_tier: Literal["default"] = "default"
    usage: ResponseUsage | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str]
    receipt: Receipt | None = None

    @property
    def output_text(self) -> str:
        """The text of all messages."""
        messages = [item for item in self.output if isinstance(item, OutputMessage)]
        return "".join(part.text for message in messages for part in message.content if isinstance(part, OutputText))
