"""Items of a stored response's input, as they are listed."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from forefront.wire.completions.message import InputAudio
from forefront.wire.record import Record, TaggedRecord, encode_records
from forefront.wire.responses.items import (
    ContentPart,
    CustomToolCallItem,
    CustomToolCallOutputItem,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudioPart,
    InputImage,
    InputItem,
    InputMedia,
    InputText,
    MessageItem,
    OutputTextPart,
    ReasoningItem,
    RefusalContent,
)
from forefront.wire.responses.response import (
    CustomToolCall,
    FunctionToolCall,
    OutputReasoning,
    OutputReasoningText,
    OutputSummaryText,
    OutputText,
)

_PREFIXES: Final[dict[type, str]] = {
    MessageItem: "msg_",
    FunctionCallItem: "fc_",
    FunctionCallOutputItem: "fco_",
    CustomToolCallItem: "ctc_",
    CustomToolCallOutputItem: "ctco_",
    ReasoningItem: "rs_",
}


class ListedText(TaggedRecord, kw_only=True, tag="input_text"):
    """A text of the input."""

    text: str


class ListedRefusal(TaggedRecord, kw_only=True, tag="refusal"):
    """A refusal of an earlier response."""

    refusal: str


class ListedImage(TaggedRecord, kw_only=True, tag="input_image"):
    """An image of the input."""

    image_url: str
    detail: str = "auto"


class ListedAudio(TaggedRecord, kw_only=True, tag="input_audio"):
    """Sound of the input."""

    input_audio: InputAudio


class ListedFile(TaggedRecord, kw_only=True, tag="input_file"):
    """A file of the input."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


ListedInput = ListedText | ListedImage | ListedAudio | ListedFile


class ListedMessage(TaggedRecord, kw_only=True, tag="message"):
    """A message of the input. A content that was sent as a text is one part."""

    id: str
    role: Literal["user", "assistant", "system", "developer"]
    status: Literal["completed"] = "completed"
    content: list[ListedInput | OutputText | ListedRefusal]


class ListedFunctionOutput(TaggedRecord, kw_only=True, tag="function_call_output"):
    """The result of a function call."""

    id: str
    call_id: str
    output: str | list[ListedInput]
    status: Literal["completed"] = "completed"


class ListedCustomOutput(TaggedRecord, kw_only=True, tag="custom_tool_call_output"):
    """The result of a call of a custom tool."""

    id: str
    call_id: str
    output: str | list[ListedInput]
    status: Literal["completed"] = "completed"


ListedItem = (
    ListedMessage | FunctionToolCall | CustomToolCall | ListedFunctionOutput | ListedCustomOutput | OutputReasoning
)


class ItemList(Record, kw_only=True):
    """A page of items. `has_more`: there are further ones in the direction of the order."""

    object: Literal["list"] = "list"
    data: list[ListedItem]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedResponse(Record, kw_only=True):
    """The response is deleted."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


def with_ids(items: Sequence[InputItem], id_suffix: str, *, keep: bool = True) -> list[InputItem]:
    """The items, each with its own id: the client's if it is kept, else one with `id_suffix`."""
    used: set[str] = set()
    named = []
    for index, item in enumerate(items):
        item_id = item.id if keep else None
        if item_id is None or item_id in used:
            item_id = f"{_PREFIXES[type(item)]}{id_suffix}i{index:04x}"
            item = msgspec.structs.replace(item, id=item_id)
        used.add(item_id)
        named.append(item)
    return named


def decode_item(content: bytes) -> InputItem:
    """One item of the store."""
    return msgspec.json.decode(content, type=InputItem)  # type: ignore[no-any-return]


def decode_items(content: bytes) -> list[InputItem]:
    """The items of a response in the store, of its input or output."""
    return msgspec.json.decode(content, type=list[InputItem])


def listed(item: InputItem) -> ListedItem:
    """The item as it is listed."""
    item_id = item.id or ""
    match item:
        case MessageItem():
            content = [_part(part, item.role) for part in _parts(item.content)]
            return ListedMessage(id=item_id, role=item.role, content=content)
        case FunctionCallItem():
            return FunctionToolCall(
                id=item_id,
                status="completed",
                call_id=item.call_id,
                name=item.name,
                arguments=item.arguments,
                namespace=item.namespace,
            )
        case CustomToolCallItem():
            return CustomToolCall(
                id=item_id,
                status="completed",
                call_id=item.call_id,
                name=item.name,
                input=item.input,
                namespace=item.namespace,
            )
        case FunctionCallOutputItem():
            return ListedFunctionOutput(id=item_id, call_id=item.call_id, output=_output(item.output))
        case CustomToolCallOutputItem():
            return ListedCustomOutput(id=item_id, call_id=item.call_id, output=_output(item.output))
    assert isinstance(item, ReasoningItem)  # references are resolved before they are stored
    return OutputReasoning(
        id=item_id,
        status="completed",
        summary=[OutputSummaryText(text=part.text) for part in item.summary],
        content=[OutputReasoningText(text=part.text) for part in item.content or ()],
        encrypted_content=item.encrypted_content,
    )


def encode_item_list(items: Iterable[InputItem], *, more: bool) -> bytes:
    """The JSON of an `ItemList` with those items, which may have 8 MiB."""
    data = [listed(item) for item in items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return msgspec.json.encode(ItemList(data=encode_records(data), first_id=first, last_id=last, has_more=more))


def _parts(content: str | list[ContentPart]) -> list[ContentPart]:
    return [InputText(text=content)] if isinstance(content, str) else content


def _part(part: ContentPart, role: str) -> ListedInput | OutputText | ListedRefusal:
    if isinstance(part, InputMedia):
        return _media(part)
    text = _text(part)
    if role != "assistant":
        return ListedText(text=text)
    return ListedRefusal(refusal=text) if isinstance(part, RefusalContent) else OutputText(text=text)


def _output(output: str | list[ContentPart]) -> str | list[ListedInput]:
    if isinstance(output, str):
        return output
    return [_media(part) if isinstance(part, InputMedia) else ListedText(text=_text(part)) for part in output]


def _media(part: InputMedia) -> ListedInput:
    match part:
        case InputImage():
            return ListedImage(image_url=part.image_url, detail=part.detail or "auto")
        case InputAudioPart():
            return ListedAudio(input_audio=part.input_audio)
    return ListedFile(file_data=part.file_data, file_id=part.file_id, filename=part.filename)


def _text(part: InputText | OutputTextPart | RefusalContent) -> str:
    return part.refusal if isinstance(part, RefusalContent) else part.text
