"""The messages of a conversation, as a client sends them."""

from typing import Literal

import msgspec

from forefront.wire.tools import FunctionCall, ToolCall


class TextPart(msgspec.Struct, kw_only=True, tag_field="type", tag="text"):
    """A piece of a message's text."""

    text: str


class RefusalPart(msgspec.Struct, kw_only=True, tag_field="type", tag="refusal"):
    """A refusal of the model, in the history. It is read as text."""

    refusal: str


class Message(msgspec.Struct, kw_only=True):
    """One turn of the conversation.

    `developer` means the same as `system`. `content` is a text or a list of parts, joined by line breaks; only an
    assistant's message with calls, a `refusal` or reasoning may lack it. A `tool` message holds the result of the call
    that `tool_call_id` names. A last message of the assistant is continued. `reasoning_content` is the reasoning that
    preceded `content`, for templates that show it; `reasoning` is another name for it. `refusal` takes the place of an
    empty `content`. `function_call` and the role `function` are the older form of `tool_calls` and the role `tool`.
    """

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart | RefusalPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    function_call: FunctionCall | None = None

    def __post_init__(self) -> None:
        if self.tool_calls is not None:
            self.tool_calls = [call.as_function() for call in self.tool_calls]

    @property
    def text(self) -> str:
        """The content as one text, empty when there is none."""
        content = self.content
        if isinstance(content, list):
            content = "\n".join(part.text if isinstance(part, TextPart) else part.refusal for part in content)
        return content or self.refusal or ""

    @property
    def reasoning_text(self) -> str:
        """The reasoning under either name, empty when there is none."""
        return self.reasoning_content or self.reasoning or ""
