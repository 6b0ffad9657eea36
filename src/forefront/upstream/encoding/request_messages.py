"""Messages of a conversation in the form that upstreams take."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from forefront.upstream.dialects import Dialect, Fields
from forefront.upstream.spec import Capability, UpstreamSpec
from forefront.wire.completions.media import media_parts
from forefront.wire.completions.message import AudioPart, FilePart, ImagePart, MediaPart, Message, RefusalPart
from forefront.wire.errors import RequestError

_CAPABILITIES: Final[dict[type, Capability]] = {ImagePart: "images", AudioPart: "audio", FilePart: "files"}


def encode_messages(messages: Sequence[Message], dialect: Dialect, spec: UpstreamSpec) -> Fields:
    """`messages`, and the fields that continue a last message of the assistant.

    Raises `RequestError` 400 for parts that the model's capabilities lack, and for a message that the upstream cannot
    continue.
    """
    _check_capabilities(messages, spec)
    fields: Fields = {"messages": [_encode(message, dialect) for message in messages]}
    if messages[-1].role == "assistant" and not messages[-1].tool_calls:
        if dialect.prefill is None:
            text = f"The model `{spec.name}` cannot continue a last message of the assistant: end with another role."
            raise RequestError("unsupported_parameter", text, param=f"messages[{len(messages) - 1}].role")
        fields |= dialect.prefill
    return fields


def _check_capabilities(messages: Sequence[Message], spec: UpstreamSpec) -> None:
    for path, part in media_parts(messages):
        if _CAPABILITIES[type(part)] not in spec.capabilities:
            kind = type(part).__struct_config__.tag
            text = f"Parts of type {kind!r} are not supported by the model `{spec.name}`."
            raise RequestError("unsupported_parameter", text, param=f"{path}.type")


def _encode(message: Message, dialect: Dialect) -> dict[str, Any]:
    role = "system" if message.role == "developer" and not dialect.developer else message.role
    plain: dict[str, Any] = {"role": role, "content": _content(message)}
    if message.name is not None:
        plain["name"] = message.name
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": msgspec.to_builtins(call.function)}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    if message.reasoning_text:
        plain |= dict.fromkeys(dialect.reasoning, message.reasoning_text)
    return plain


def _content(message: Message) -> str | list[dict[str, Any]] | None:
    """The content as a text, or as parts where there are others than text."""
    if message.has_media and isinstance(message.content, list):
        return [_part(part) for part in message.content]
    return message.text or (None if message.tool_calls else "")


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, RefusalPart):
        return {"type": "text", "text": part.refusal}
    plain: dict[str, Any] = msgspec.to_builtins(part)
    if isinstance(part, MediaPart):
        return {
            name: {key: inner for key, inner in value.items() if inner is not None}
            if isinstance(value, dict)
            else value
            for name, value in plain.items()
        }
    return plain
