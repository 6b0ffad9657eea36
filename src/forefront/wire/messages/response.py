"""The response of `POST /v1/messages`, its content blocks and its usage."""

from typing import Any, Literal

from forefront.wire.receipt import Receipt
from forefront.wire.record import Record, TaggedRecord

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class OutputTextBlock(TaggedRecord, kw_only=True, tag="text"):
    """A text. `citations` are always null."""

    text: str
    citations: None = None


class OutputThinkingBlock(TaggedRecord, kw_only=True, tag="thinking"):
    """Reasoning. `signature` belongs to a request that continues the conversation; it holds the text where `thinking`
    is omitted."""

    thinking: str
    signature: str


class OutputToolUseBlock(TaggedRecord, kw_only=True, tag="tool_use"):
    """A call of a tool. `input` is empty where the answer was cut off within it."""

    id: str
    name: str
    input: dict[str, Any]


OutputBlock = OutputTextBlock | OutputThinkingBlock | OutputToolUseBlock


class CacheCreation(Record, kw_only=True):
    """Tokens that were cached for a client, by their time to live. There are none: prompts are cached without it."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class MessageOutputDetails(Record, kw_only=True):
    """Tokens of thinking among those of the output."""

    thinking_tokens: int = 0


class MessageUsage(Record, kw_only=True):
    """Tokens. `input_tokens` are those of the prompt that were not in the cache, `cache_read_input_tokens` those that
    were. `cache_creation_input_tokens` are always 0: prompts are cached without `cache_control`. `service_tier` is
    always `standard`."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation: CacheCreation
    output_tokens: int
    output_tokens_details: MessageOutputDetails
    service_tier: Literal["standard"] = "standard"

    @classmethod
    def of(cls, prompt: int, cached: int, output: int = 0, thinking: int = 0) -> "MessageUsage":
        """The usage of a prompt, of which `cached` tokens came from the cache, and of its output."""
        return cls(
            input_tokens=prompt - cached,
            cache_read_input_tokens=cached,
            cache_creation=CacheCreation(),
            output_tokens=output,
            output_tokens_details=MessageOutputDetails(thinking_tokens=thinking),
        )


class AssistantMessage(TaggedRecord, kw_only=True, tag="message"):
    """A message of the assistant. `stop_sequence` is the one that ended it, if that is known. `receipt` describes the
    computation."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[OutputBlock]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessageUsage
    receipt: Receipt | None = None


class TokenCount(Record, kw_only=True):
    """The tokens of a prompt, cached or not."""

    input_tokens: int
