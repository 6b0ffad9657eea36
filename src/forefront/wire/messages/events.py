"""The events of a message's stream."""

from forefront.wire.messages.errors import ErrorObject
from forefront.wire.messages.response import AssistantMessage, MessageUsage, OutputBlock, StopReason
from forefront.wire.receipt import Receipt
from forefront.wire.record import Record, TaggedRecord


class MessageStart(TaggedRecord, kw_only=True, tag="message_start"):
    """The prompt has been read. `message` has no content yet."""

    message: AssistantMessage


class ContentBlockStart(TaggedRecord, kw_only=True, tag="content_block_start"):
    """A block of the content begins, empty."""

    index: int
    content_block: OutputBlock


class TextDelta(TaggedRecord, kw_only=True, tag="text_delta"):
    """More text."""

    text: str


class InputJsonDelta(TaggedRecord, kw_only=True, tag="input_json_delta"):
    """More of a call's input, as the text of a JSON object."""

    partial_json: str


class ThinkingDelta(TaggedRecord, kw_only=True, tag="thinking_delta"):
    """More reasoning."""

    thinking: str


class SignatureDelta(TaggedRecord, kw_only=True, tag="signature_delta"):
    """The signature of a thinking block, before its end."""

    signature: str


class ContentBlockDelta(TaggedRecord, kw_only=True, tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: TextDelta | InputJsonDelta | ThinkingDelta | SignatureDelta


class ContentBlockStop(TaggedRecord, kw_only=True, tag="content_block_stop"):
    """A block is complete."""

    index: int


class StopState(Record, kw_only=True):
    """Why a message ended."""

    stop_reason: StopReason
    stop_sequence: str | None = None


class MessageDelta(TaggedRecord, kw_only=True, tag="message_delta"):
    """The message has ended. `usage` is that of the whole request, `receipt` describes the computation."""

    delta: StopState
    usage: MessageUsage
    receipt: Receipt | None = None


class MessageStop(TaggedRecord, kw_only=True, tag="message_stop"):
    """The last event of a complete message."""


class Ping(TaggedRecord, kw_only=True, tag="ping"):
    """A sign of life of a stream without other events."""


class ErrorEvent(TaggedRecord, kw_only=True, tag="error"):
    """The message has failed. The last event."""

    error: ErrorObject


MessageStreamEvent = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | ErrorEvent
)
