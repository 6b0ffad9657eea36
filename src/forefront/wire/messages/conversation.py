"""From the messages of a request, with their blocks, to the messages of a chat request."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from forefront.wire.completions.message import ImagePart, ImageUrl, Message, TextPart
from forefront.wire.completions.tools import FunctionCall, ToolCall
from forefront.wire.errors import RequestError
from forefront.wire.messages.blocks import (
    Block,
    ImageBlock,
    RedactedThinkingBlock,
    SystemBlock,
    TextBlock,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from forefront.wire.messages.request import InputMessage
from forefront.wire.messages.thinking import decode_thinking

_MESSAGE: Final = re.compile(r"messages\[(?P<index>\d+)\](?:\.(?P<field>\w+)(?P<rest>.*))?", re.DOTALL)
_ENTRY: Final = re.compile(r"\[(?P<index>\d+)\](?P<rest>.*)", re.DOTALL)
_Part = TextPart | ImagePart
_ERROR: Final = "Error:\n"


class _Origin(msgspec.Struct):
    """The paths, in the client's request, of what became a message: of its content and each of its parts, of its
    reasoning, and of each of its calls."""

    path: str
    content: str
    parts: list[str] = msgspec.field(default_factory=list)
    thinking: str = ""
    calls: list[str] = msgspec.field(default_factory=list)


class _Turn(msgspec.Struct):
    """Neighbouring messages of one role, each part with its path. Results come before the parts."""

    role: str
    path: str
    parts: list[tuple[str, _Part]] = msgspec.field(default_factory=list)
    thinking: list[tuple[str, str]] = msgspec.field(default_factory=list)
    calls: list[tuple[str, ToolCall]] = msgspec.field(default_factory=list)
    results: list[tuple[str, Message]] = msgspec.field(default_factory=list)
    images: list[tuple[str, _Part]] = msgspec.field(default_factory=list)  # of results

    def messages(self) -> Iterator[tuple[Message, _Origin]]:
        """The messages of a chat request, each with its origin."""
        for path, result in self.results:
            yield result, _Origin(path, f"{path}.content")
        parts = [*self.images, *self.parts]
        if not parts and self.results:
            return
        message = Message(role=self.role, content=_content(parts))  # type: ignore[arg-type]
        if self.thinking:
            message.reasoning_content = "\n".join(text for _, text in self.thinking)
        if self.calls:
            message.tool_calls = [call for _, call in self.calls]
        yield (
            message,
            _Origin(
                self.path,
                f"{self.path}.content",
                [path for path, _ in parts],
                self.thinking[0][0] if self.thinking else "",
                [path for path, _ in self.calls],
            ),
        )


class ConversationMessages:
    """The messages of a chat request. `system` comes first."""

    def __init__(self, messages: Sequence[InputMessage], system: str | Sequence[SystemBlock] | None) -> None:
        turns: list[_Turn] = []
        if system:
            turns.append(_Turn("system", "system", _system_parts(system)))
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            if not turns or turns[-1].role != message.role or turns[-1].path == "system":
                turns.append(_Turn(message.role, path))
            _add(turns[-1], path, message)
        pairs = [pair for turn in turns for pair in turn.messages()]
        self.messages = [message for message, _ in pairs]
        self._origins = [origin for _, origin in pairs]

    def field_name(self, path: str) -> str:
        """The path in the client's request of a field within `messages`."""
        match = _MESSAGE.fullmatch(path)
        if match is None or int(match["index"]) >= len(self._origins):
            return path
        origin, name, rest = self._origins[int(match["index"])], match["field"], match["rest"] or ""
        if name is None:
            return origin.path
        if name == "tool_call_id":
            return f"{origin.path}.tool_use_id"
        if name in ("reasoning_content", "reasoning"):
            return origin.thinking or origin.path
        entry = _ENTRY.fullmatch(rest)
        if name == "tool_calls" and entry is not None and int(entry["index"]) < len(origin.calls):
            return origin.calls[int(entry["index"])] + _call_field(entry["rest"])
        if name == "content":
            if entry is not None and int(entry["index"]) < len(origin.parts):
                return _part_field(origin.parts[int(entry["index"])], entry["rest"])
            return "system" if origin.path == "system" else origin.content
        return f"{origin.path}.{name}{rest}"


def tool_references(messages: Sequence[InputMessage]) -> Iterator[tuple[str, str]]:
    """The paths of the references of results to tools, each with the name of its tool."""
    for index, message in enumerate(messages):
        for place, block in enumerate(message.content if isinstance(message.content, list) else ()):
            if isinstance(block, ToolResultBlock) and isinstance(block.content, list):
                for number, part in enumerate(block.content):
                    if isinstance(part, ToolReferenceBlock):
                        yield f"messages[{index}].content[{place}].content[{number}].tool_name", part.tool_name


def _call_field(rest: str) -> str:
    return rest.replace(".function.arguments", ".input").replace(".function", "")


def _part_field(path: str, rest: str) -> str:
    """The path of a field of a part. A message's text is a part without fields."""
    if path.endswith("]"):
        return path + (".source" if rest.startswith(".image_url") else rest)
    return path


def _content(parts: Sequence[tuple[str, _Part]]) -> str | list[_Part] | None:
    """The text of a single part; None without parts."""
    if not parts:
        return None
    first = parts[0][1]
    return first.text if len(parts) == 1 and isinstance(first, TextPart) else [part for _, part in parts]


def _system_parts(system: str | Sequence[SystemBlock]) -> list[tuple[str, _Part]]:
    if isinstance(system, str):
        return [("system", TextPart(text=system))]
    return [(f"system[{index}]", TextPart(text=block.text)) for index, block in enumerate(system)]


def _add(turn: _Turn, path: str, message: InputMessage) -> None:
    """Add a message to its turn. Raises `RequestError` 422 for a block that its role cannot have."""
    content = message.content
    if isinstance(content, str):
        turn.parts.append((f"{path}.content", TextPart(text=content)))
        return
    for index, block in enumerate(content):
        _add_block(turn, f"{path}.content[{index}]", block)


def _add_block(turn: _Turn, path: str, block: Block) -> None:
    match block:
        case TextBlock():
            turn.parts.append((path, TextPart(text=block.text)))
        case ImageBlock() if turn.role == "user":
            turn.parts.append((path, _image(block)))
        case ToolResultBlock() if turn.role == "user":
            _add_result(turn, path, block)
        case ToolUseBlock() if turn.role == "assistant":
            _add_call(turn, path, block)
        case ThinkingBlock() if turn.role == "assistant":
            text = block.thinking
            if not text and block.signature:
                text = decode_thinking(block.signature, f"{path}.signature")
            if text:
                turn.thinking.append((f"{path}.thinking", text))
        case RedactedThinkingBlock() if turn.role == "assistant":
            turn.thinking.append((f"{path}.data", decode_thinking(block.data, f"{path}.data")))
        case _:
            kind = type(block).__struct_config__.tag
            text = f"`{path}.type`: a message of the role `{turn.role}` has no `{kind}` block."
            raise RequestError("invalid_value", text, param=f"{path}.type")


def _add_call(turn: _Turn, path: str, block: ToolUseBlock) -> None:
    arguments = msgspec.json.encode(block.input).decode()
    turn.calls.append((path, ToolCall(id=block.id, function=FunctionCall(name=block.name, arguments=arguments))))


def _add_result(turn: _Turn, path: str, block: ToolResultBlock) -> None:
    texts = [block.content] if isinstance(block.content, str) else []
    for index, part in enumerate(block.content if isinstance(block.content, list) else ()):
        if isinstance(part, TextBlock):
            texts.append(part.text)
        elif isinstance(part, ToolReferenceBlock):
            texts.append(f"The tool {part.tool_name} can be called now.")
        else:
            turn.images.append((f"{path}.content[{index}]", _image(part)))
    text = (_ERROR if block.is_error else "") + "\n".join(texts)
    turn.results.append((path, Message(role="tool", content=text, tool_call_id=block.tool_use_id)))


def _image(block: ImageBlock) -> ImagePart:
    return ImagePart(image_url=ImageUrl(url=block.source.address))
