"""The messages of a conversation, as a client sends them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from forefront.wire.completions.tools import FunctionCall, ToolCall


class TextPart(msgspec.Struct, kw_only=True, tag_field="type", tag="text"):
    """A piece of a message's text."""

    text: str


class RefusalPart(msgspec.Struct, kw_only=True, tag_field="type", tag="refusal"):
    """A refusal of the model, in the history. It is read as text."""

    refusal: str


class ImageUrl(msgspec.Struct, kw_only=True):
    """The address of an image: `data:` with the image itself, or `https:` or `http:`. `detail`: how closely the model
    looks at it."""

    url: Annotated[str, Meta(min_length=1)]
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(msgspec.Struct, kw_only=True, tag_field="type", tag="image_url"):
    """An image, for models with an upstream that reads images."""

    image_url: ImageUrl


class InputAudio(msgspec.Struct, kw_only=True):
    """Sound in base64."""

    data: Annotated[str, Meta(min_length=1)]
    format: Annotated[str, Meta(pattern=r"^[a-z0-9]{1,16}\Z")]


class AudioPart(msgspec.Struct, kw_only=True, tag_field="type", tag="input_audio"):
    """Sound, for models with an upstream that takes it."""

    input_audio: InputAudio


class InputFile(msgspec.Struct, kw_only=True):
    """A file: its content as a `data:` URL with its name, or the id of a file that the upstream has."""

    file_data: Annotated[str, Meta(min_length=1)] | None = None
    file_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    filename: Annotated[str, Meta(min_length=1, max_length=256)] | None = None

    def __post_init__(self) -> None:
        if (self.file_data is None) == (self.file_id is None):
            raise ValueError("a file has either `file_data` or `file_id`")


class FilePart(msgspec.Struct, kw_only=True, tag_field="type", tag="file"):
    """A file, for models with an upstream that reads files."""

    file: InputFile


MediaPart = ImagePart | AudioPart | FilePart


class Message(msgspec.Struct, kw_only=True):
    """One turn of the conversation.

    `developer` means the same as `system`. `content` is a text or a list of parts, whose texts are joined by line
    breaks; only an assistant's message with calls, a `refusal` or reasoning may lack it. Parts other than text are for
    models with an upstream that takes them. A `tool` message holds the result of the call that `tool_call_id` names. A
    last message of the assistant is continued. `reasoning_content` is the reasoning that preceded `content`, for
    templates that show it; `reasoning` is another name for it. `refusal` takes the place of an empty `content`.
    `function_call` and the role `function` are the older form of `tool_calls` and the role `tool`.
    """

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart | RefusalPart | ImagePart | AudioPart | FilePart] | None = None
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
            content = "\n".join(text for part in content if (text := _text_of(part)) is not None)
        return content or self.refusal or ""

    @property
    def has_media(self) -> bool:
        """Whether the content has parts other than text."""
        return isinstance(self.content, list) and any(isinstance(part, MediaPart) for part in self.content)

    @property
    def reasoning_text(self) -> str:
        """The reasoning under either name, empty when there is none."""
        return self.reasoning_content or self.reasoning or ""


def _text_of(part: TextPart | RefusalPart | MediaPart) -> str | None:
    if isinstance(part, TextPart):
        return part.text
    return part.refusal if isinstance(part, RefusalPart) else None
