"""The body of `POST /v1/responses`: fields, types and ranges."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from forefront.wire.completions.request import Effort, Positive, Sampling
from forefront.wire.completions.tools import MAX_TOOLS
from forefront.wire.responses.items import Id, InputItem
from forefront.wire.responses.tools import ResponseTool, ResponseToolChoice

MAX_ITEMS = 4096
Label = Annotated[str, Meta(max_length=512)]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


Summary = Literal["auto", "concise", "detailed"]


class PlainText(msgspec.Struct, kw_only=True, tag_field="type", tag="text"):
    """Any text."""


class JsonObject(msgspec.Struct, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchemaText(msgspec.Struct, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that is valid against a schema. With `strict`, a keyword that no grammar can express is an error."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextOptions(msgspec.Struct, kw_only=True):
    """The form of the text."""

    format: PlainText | JsonObject | JsonSchemaText | None = None


class ReasoningOptions(msgspec.Struct, kw_only=True):
    """`effort` has an effect for models whose template knows it. With `summary` the reasoning is sent as a summary,
    word for word, since no summary is written. `generate_summary` is its older name."""

    effort: Effort | None = None
    summary: Summary | None = None
    generate_summary: Summary | None = None

    def __post_init__(self) -> None:
        self.summary = self.summary or self.generate_summary


class ConversationReference(msgspec.Struct, kw_only=True):
    """A conversation by its id."""

    id: Id


class PromptCacheOptions(msgspec.Struct, kw_only=True):
    """Options of the prompt cache: none has an effect, since every prompt is cached."""


class ResponseStreamOptions(msgspec.Struct, kw_only=True):
    """Options of a stream: there are none."""


Include = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "message.input_image.image_url",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
]


class ResponsesRequest(Sampling, kw_only=True):
    """The body of `POST /v1/responses`.

    `input` is a text of the user or a list of items. `instructions` come first, as a message of the system; those of
    an earlier response do not count. `max_output_tokens` counts the answer's tokens, with reasoning. `max_tool_calls`
    limits calls of hosted tools, of which there are none. `top_logprobs` needs `message.output_text.logprobs` in
    `include`; other members of `include` than that and `reasoning.encrypted_content` add nothing. `store` keeps the
    response (default: the server's setting). `previous_response_id` and `conversation` continue what is stored, at
    most one of them. Input and output become items of the `conversation` once the response is complete. `background`
    answers at once and works on; it needs `store`. `truncation` is `disabled`: no input is cut. `service_tier` is
    always `default`. `metadata`, `user`, `safety_identifier` and `prompt_cache_key` are returned as they are.
    """

    input: str | Annotated[list[InputItem], Meta(max_length=MAX_ITEMS)] = msgspec.field(default_factory=list)
    instructions: str | None = None
    tools: Annotated[list[ResponseTool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ResponseToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Positive | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    max_output_tokens: Positive | None = None
    include: Annotated[list[Include], Meta(max_length=16)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stream_options: ResponseStreamOptions | None = None
    store: bool | None = None
    previous_response_id: Id | None = None
    conversation: Id | ConversationReference | None = None
    background: bool | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    metadata: Metadata | None = None
    user: Label | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    prompt_cache_options: PromptCacheOptions | None = None

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation that the request continues."""
        return self.conversation.id if isinstance(self.conversation, ConversationReference) else self.conversation

    @property
    def includes_logprobs(self) -> bool:
        """Whether the text's log-probabilities are returned."""
        return "message.output_text.logprobs" in (self.include or ())

    @property
    def includes_encrypted_reasoning(self) -> bool:
        """Whether reasoning items have `encrypted_content`."""
        return "reasoning.encrypted_content" in (self.include or ())
