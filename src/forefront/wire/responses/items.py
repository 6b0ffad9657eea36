"""Items of a request's input: messages, calls of tools with their outputs, reasoning, references to stored items."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from forefront.wire.completions.message import InputAudio

Id = Annotated[str, Meta(min_length=1, max_length=256)]


class InputText(msgspec.Struct, kw_only=True, tag_field="type", tag="input_text"):
    """A text."""

    text: str


class OutputTextPart(msgspec.Struct, kw_only=True, tag_field="type", tag="output_text"):
    """A text of an earlier response."""

    text: str


class RefusalContent(msgspec.Struct, kw_only=True, tag_field="type", tag="refusal"):
    """A refusal of an earlier response. It is read as text."""

    refusal: str


class InputImage(msgspec.Struct, kw_only=True, tag_field="type", tag="input_image"):
    """An image, for models that read images: a `data:` URL with the image itself, or a public address. `detail`: how
    closely the model looks at it."""

    image_url: Annotated[str, Meta(min_length=1)]
    detail: Literal["auto", "low", "high", "original"] | None = None


class InputAudioPart(msgspec.Struct, kw_only=True, tag_field="type", tag="input_audio"):
    """Sound, for models that take it."""

    input_audio: InputAudio


class InputFilePart(msgspec.Struct, kw_only=True, tag_field="type", tag="input_file"):
    """A file, for models that read files: its content as a `data:` URL with its name, or the id of a file that the
    upstream has."""

    file_data: Annotated[str, Meta(min_length=1)] | None = None
    file_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    filename: Annotated[str, Meta(min_length=1, max_length=256)] | None = None

    def __post_init__(self) -> None:
        if (self.file_data is None) == (self.file_id is None):
            raise ValueError("a file has either `file_data` or `file_id`")


InputMedia = InputImage | InputAudioPart | InputFilePart
ContentPart = InputText | OutputTextPart | RefusalContent | InputMedia


class MessageItem(msgspec.Struct, kw_only=True, tag_field="type", tag="message"):
    """A message. `developer` means the same as `system`. `content` is a text or a list of parts. `type` may be left
    out."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[ContentPart]
    id: Id | None = None


class FunctionCallItem(msgspec.Struct, kw_only=True, tag_field="type", tag="function_call"):
    """A call of a function that the model made: its `arguments` are the text of a JSON object."""

    call_id: Id
    name: str
    arguments: str
    namespace: str | None = None
    id: Id | None = None


class FunctionCallOutputItem(msgspec.Struct, kw_only=True, tag_field="type", tag="function_call_output"):
    """The result of the function call `call_id`."""

    call_id: Id
    output: str | list[ContentPart]
    id: Id | None = None


class CustomToolCallItem(msgspec.Struct, kw_only=True, tag_field="type", tag="custom_tool_call"):
    """A call of a custom tool that the model made, with its text."""

    call_id: Id
    name: str
    input: str
    namespace: str | None = None
    id: Id | None = None


class CustomToolCallOutputItem(msgspec.Struct, kw_only=True, tag_field="type", tag="custom_tool_call_output"):
    """The result of the call `call_id` of a custom tool."""

    call_id: Id
    output: str | list[ContentPart]
    id: Id | None = None


class SummaryText(msgspec.Struct, kw_only=True, tag_field="type", tag="summary_text"):
    """A part of a summary of reasoning."""

    text: str


class ReasoningText(msgspec.Struct, kw_only=True, tag_field="type", tag="reasoning_text"):
    """A part of reasoning."""

    text: str


class ReasoningItem(msgspec.Struct, kw_only=True, tag_field="type", tag="reasoning"):
    """Reasoning of the model, which preceded the next message or call. The first of `content`, `encrypted_content` and
    `summary` that is there counts."""

    summary: list[SummaryText]
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    id: Id | None = None


class ItemReference(msgspec.Struct, kw_only=True, tag_field="type", tag="item_reference"):
    """An item of a stored response or of the request's conversation, by its id."""

    id: Id


CallItem = FunctionCallItem | CustomToolCallItem
CallOutputItem = FunctionCallOutputItem | CustomToolCallOutputItem
WholeItem = MessageItem | CallItem | CallOutputItem | ReasoningItem
InputItem = WholeItem | ItemReference
