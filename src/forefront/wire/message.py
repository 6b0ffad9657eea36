"""The messages of a conversation, as a client sends them."""

from typing import Literal

import msgspec

from forefront.wire.tools import ToolCall


class TextPart(msgspec.Struct, kw_only=True):
    """A piece of a message's text."""

    type: Literal["text"]
    text: str


class Message(msgspec.Struct, kw_only=True):
    """One turn of the conversation.

    `developer` means the same as `system`. `content` is a text or a list of parts, whose texts are put together; only
    an assistant's message with `tool_calls` may lack it. A `tool` message holds the result of the call that
    `tool_call_id` names. A last message of the assistant is continued. `reasoning_content` is what the model thought
    before it said `content`, for templates that show it.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None

    def __post_init__(self) -> None:
        if self.tool_calls is not None:
            self.tool_calls = [call.as_function() for call in self.tool_calls]

    @property
    def text(self) -> str:
        """The content as one text, empty when there is none."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""
