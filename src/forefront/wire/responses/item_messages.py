"""From the items of a request's input to the messages of a chat request."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

import msgspec

from forefront.wire.completions.message import (
    AudioPart,
    FilePart,
    ImagePart,
    ImageUrl,
    InputFile,
    MediaPart,
    Message,
    RefusalPart,
    TextPart,
)
from forefront.wire.completions.tools import CustomCall, FunctionCall, ToolCall
from forefront.wire.errors import RequestError
from forefront.wire.responses.items import (
    CallItem,
    CallOutputItem,
    ContentPart,
    CustomToolCallItem,
    CustomToolCallOutputItem,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudioPart,
    InputFilePart,
    InputImage,
    InputItem,
    MessageItem,
    ReasoningItem,
    RefusalContent,
)
from forefront.wire.responses.tools import qualified_name

# The beginning of `encrypted_content`. The text after it is encoded, not secret: the same response has it in plain.
_ENCODED: Final = "forefront:"
_MESSAGE: Final = re.compile(r"messages\[(?P<index>\d+)\](?:\.(?P<field>\w+)(?P<rest>.*))?", re.DOTALL)
_CALL: Final = re.compile(r"\[(?P<index>\d+)\](?:\.(?:function\.|custom\.)?(?P<rest>.*))?", re.DOTALL)
_MEDIA_FIELDS: Final = ((".image_url.url", ".image_url"), (".image_url.", "."), (".file.", "."))
_Content = str | list[TextPart | RefusalPart | ImagePart | AudioPart | FilePart]


class _Origin(msgspec.Struct):
    """The paths, in the client's request, of the items that became a message: of its content, of its reasoning and of
    each of its calls. `content_field` is the content's field in its item, `parts` are the parts of a content from
    several items."""

    item: str
    content_field: str = "content"
    reasoning: str = ""
    calls: list[str] = msgspec.field(default_factory=list)
    parts: list[str] = msgspec.field(default_factory=list)


class _Turn(msgspec.Struct):
    """A message and, after its calls, their results. `media` are parts of results other than text, with their paths:
    only messages of the user have such."""

    message: Message
    origin: _Origin
    results: list[tuple[Message, _Origin]] = msgspec.field(default_factory=list)
    media: list[tuple[str, MediaPart]] = msgspec.field(default_factory=list)

    @property
    def messages(self) -> list[tuple[Message, _Origin]]:
        """The messages of the turn, with their origins."""
        if not self.media:
            return [(self.message, self.origin), *self.results]
        paths = [path for path, _ in self.media]
        user = Message(role="user", content=[part for _, part in self.media])
        return [(self.message, self.origin), *self.results, (user, _Origin(paths[0], parts=paths))]


class ItemMessages:
    """The messages of items. Each item has its path in the client's request.

    Reasoning belongs to the message or call after it. Calls without another item between them are one message, together
    with the message of the assistant before them. A result follows the message with its call, wherever its item is.
    Images, sounds and files of results are a message of the user after them.
    """

    def __init__(self, items: Iterable[tuple[str, InputItem]]) -> None:
        self._turns: list[_Turn] = []
        self._open: _Turn | None = None  # the last turn, while calls can join it
        self._reasoning: tuple[str, str] | None = None  # its path and text, until its message comes
        self._calls: dict[str, _Turn] = {}
        self._answered: set[str] = set()
        for path, item in items:
            self._add(path, item)
        self._flush_reasoning()
        pairs = [pair for turn in self._turns for pair in turn.messages]
        self.messages = [message for message, _ in pairs]
        self._origins = [origin for _, origin in pairs]

    def field_name(self, path: str, offset: int) -> str:
        """The path in the client's request of a field within `messages`, of which the first `offset` are not from
        items."""
        match = _MESSAGE.fullmatch(path)
        if match is None or not 0 <= (index := int(match["index"]) - offset) < len(self._origins):
            return path
        origin, name, rest = self._origins[index], match["field"], match["rest"] or ""
        if name == "tool_calls" and (call := _CALL.fullmatch(rest)) and int(call["index"]) < len(origin.calls):
            return ".".join(filter(None, (origin.calls[int(call["index"])], call["rest"])))
        if name in ("reasoning_content", "reasoning"):
            return origin.reasoning or origin.item
        if name == "tool_call_id":
            return f"{origin.item}.call_id"
        if name == "content" and origin.parts:
            part = re.match(r"\[(\d+)\]", rest)
            path = origin.parts[int(part[1])] if part and int(part[1]) < len(origin.parts) else origin.item
            return path + (_part_path(rest[part.end() :]) if part else "")
        if name == "content":
            return f"{origin.item}.{origin.content_field}{_part_path(rest)}"
        return origin.item if name is None else f"{origin.item}.{name}{rest}"

    def _add(self, path: str, item: InputItem) -> None:
        match item:
            case MessageItem(role="assistant"):
                self._begin_assistant(path, _content(item.content))
            case MessageItem():
                self._flush_reasoning()
                self._open = None
                self._turns.append(_Turn(Message(role=item.role, content=_content(item.content)), _Origin(path)))
            case FunctionCallItem() | CustomToolCallItem():
                self._add_call(path, item)
            case FunctionCallOutputItem() | CustomToolCallOutputItem():
                self._add_result(path, item)
            case ReasoningItem():
                self._flush_reasoning()
                self._open = None
                self._reasoning = (path, reasoning_text(item, path))
            case _:
                text = f"`{path}.type`: no item of the id `{item.id[:64]}` is stored."
                raise RequestError("not_found", text, param=f"{path}.id")

    def _begin_assistant(self, path: str, content: _Content | None) -> _Turn:
        reasoning_path, reasoning = self._reasoning or ("", "")
        self._reasoning = None
        message = Message(role="assistant", content=content, reasoning_content=reasoning or None)
        self._open = _Turn(message, _Origin(path, reasoning=reasoning_path))
        self._turns.append(self._open)
        return self._open

    def _add_call(self, path: str, item: CallItem) -> None:
        turn = self._open or self._begin_assistant(path, None)
        if item.call_id in self._calls and self._calls[item.call_id] is turn:
            _refuse(f"`{path}.call_id`: there is a call of the id `{item.call_id[:64]}` already.", f"{path}.call_id")
        name = qualified_name(item.namespace, item.name)
        if isinstance(item, FunctionCallItem):
            call = ToolCall(id=item.call_id, function=FunctionCall(name=name, arguments=item.arguments))
        else:
            custom = CustomCall(name=name, input=item.input)
            call = ToolCall(id=item.call_id, type="custom", custom=custom).as_function()
        turn.message.tool_calls = turn.message.tool_calls or []
        turn.message.tool_calls.append(call)
        turn.origin.calls.append(path)
        self._calls[item.call_id] = turn
        self._answered.discard(item.call_id)

    def _add_result(self, path: str, item: CallOutputItem) -> None:
        turn = self._calls.get(item.call_id)
        if turn is None:
            text = f"`{path}.call_id`: no call of the id `{item.call_id[:64]}` comes before it."
            _refuse(text, f"{path}.call_id")
        if item.call_id in self._answered:
            text = f"`{path}.call_id`: the call `{item.call_id[:64]}` has its result already."
            _refuse(text, f"{path}.call_id")
        self._answered.add(item.call_id)
        self._open = None
        content = _content(item.output)
        if isinstance(content, list):
            for index, part in enumerate(content):
                if isinstance(part, MediaPart):
                    turn.media.append((f"{path}.output[{index}]", part))
            content = [part for part in content if not isinstance(part, MediaPart)] or ""
        message = Message(role="tool", content=content, tool_call_id=item.call_id)
        turn.results.append((message, _Origin(path, "output")))

    def _flush_reasoning(self) -> None:
        """Reasoning that no message of the assistant follows is a message by itself."""
        if self._reasoning is not None and self._reasoning[1]:
            self._begin_assistant(self._reasoning[0], None)
        self._reasoning = None


def encode_reasoning(text: str) -> str:
    """The `encrypted_content` of reasoning: the text in another form, for clients that return this field alone."""
    return _ENCODED + base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def reasoning_text(item: ReasoningItem, path: str) -> str:
    """The text of reasoning. Raises `RequestError` 422 for `encrypted_content` that this program has not made."""
    if item.content:
        return "\n".join(part.text for part in item.content)
    if item.encrypted_content is None:
        return "\n".join(part.text for part in item.summary)
    prefix, encoded = item.encrypted_content[: len(_ENCODED)], item.encrypted_content[len(_ENCODED) :]
    try:
        if prefix != _ENCODED:
            raise ValueError
        return base64.b64decode(encoded, validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        param = f"{path}.encrypted_content"
        raise RequestError("invalid_value", f"`{param}` was not made by this server.", param=param) from None


def _content(content: str | Sequence[ContentPart]) -> _Content:
    if isinstance(content, str):
        return content
    return [_part(part) for part in content]


def _part(part: ContentPart) -> TextPart | RefusalPart | MediaPart:
    match part:
        case RefusalContent():
            return RefusalPart(refusal=part.refusal)
        case InputImage():
            return ImagePart(image_url=ImageUrl(url=part.image_url, detail=part.detail))
        case InputAudioPart():
            return AudioPart(input_audio=part.input_audio)
        case InputFilePart():
            return FilePart(file=InputFile(file_data=part.file_data, file_id=part.file_id, filename=part.filename))
    return TextPart(text=part.text)


def _part_path(rest: str) -> str:
    """The path within a content, in the client's request: parts of a chat request have one more level."""
    for chat_field, name in _MEDIA_FIELDS:
        if chat_field in rest:
            return rest.replace(chat_field, name, 1)
    return rest


def _refuse(text: str, param: str) -> NoReturn:
    raise RequestError("invalid_value", text, param=param)
