"""The bodies of `POST /v1/messages` and `POST /v1/messages/count_tokens`: fields, types and ranges."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from forefront.wire.completions.request import MAX_STOPS, Positive, Sampling, Stop
from forefront.wire.messages.blocks import Block, CacheControl, SystemBlock
from forefront.wire.messages.tools import ClientTool, MessagesToolChoice

MAX_MESSAGES = 4096
# With those whose loading is deferred.
MAX_ALL_TOOLS = 4096


class InputMessage(msgspec.Struct, kw_only=True):
    """A turn. Neighbours of one role are one turn. `content` is a text or a list of blocks. A last message of the
    assistant is continued."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class EnabledThinking(msgspec.Struct, kw_only=True, tag_field="type", tag="enabled"):
    """`budget_tokens` sets the effort for models whose template knows it: low below 4096, medium below 16384, else
    high. With the `display` `omitted`, or `updates`, the text is in the block's `signature` alone."""

    budget_tokens: Annotated[int, Meta(ge=1024, le=2**31 - 1)]
    display: Literal["summarized", "omitted", "updates"] | None = None

    @property
    def effort(self) -> Literal["low", "medium", "high"]:
        """The effort of the budget."""
        return "low" if self.budget_tokens < 4096 else "medium" if self.budget_tokens < 16384 else "high"


class AdaptiveThinking(msgspec.Struct, kw_only=True, tag_field="type", tag="adaptive"):
    """The model decides how much to think."""

    display: Literal["summarized", "omitted", "updates"] | None = None


class DisabledThinking(msgspec.Struct, kw_only=True, tag_field="type", tag="disabled"):
    """No thinking. An error for a model that always thinks."""


Thinking = EnabledThinking | AdaptiveThinking | DisabledThinking


class JsonOutput(msgspec.Struct, kw_only=True):
    """JSON that is valid against a schema."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, kw_only=True):
    """`effort` has an effect for models whose template knows it, in place of the effort of `thinking`. `format` is the
    form of the text."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonOutput | None = None


class MessageMetadata(msgspec.Struct, kw_only=True):
    """`user_id` has no effect."""

    user_id: Annotated[str, Meta(max_length=512)] | None = None


class CountTokensRequest(Sampling, kw_only=True):
    """The body of `POST /v1/messages/count_tokens`.

    `system` comes first, as a text or as blocks. `output_format` is the older name of `output_config.format`.
    `cache_control` has no effect: every prompt is cached. Sampling values change no count.
    """

    messages: Annotated[list[InputMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]
    system: str | list[SystemBlock] | None = None
    tools: Annotated[list[ClientTool], Meta(max_length=MAX_ALL_TOOLS)] | None = None
    tool_choice: MessagesToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: JsonOutput | None = None
    cache_control: CacheControl | None = None


class MessagesRequest(CountTokensRequest, kw_only=True):
    """The body of `POST /v1/messages`.

    `max_tokens` counts the answer's tokens, with thinking. `stop_sequences` end the answer before a text of its
    content; `stop` is another name. `metadata` has no effect. `service_tier` is always `standard`.
    """

    max_tokens: Positive
    stop_sequences: Annotated[list[Stop], Meta(max_length=MAX_STOPS)] | None = None
    metadata: MessageMetadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
