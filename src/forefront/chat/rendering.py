"""A conversation as chat templates expect it: plain dicts, in the manner of Hugging Face's."""

from collections.abc import Sequence
from typing import Any

import msgspec

from forefront.wire.message import Message
from forefront.wire.tools import Tool, ToolCall


def as_dicts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages, arguments of calls as objects and results under the names of their functions."""
    names: dict[str, str] = {}
    shown = []
    for message in messages:
        role = "system" if message.role == "developer" else message.role
        plain: dict[str, Any] = {"role": role, "content": message.text}
        if message.tool_calls:
            names = {call.id: call.function.name for call in message.tool_calls}
            plain["tool_calls"] = [_call(call) for call in message.tool_calls]
        if message.reasoning_content:
            plain["reasoning_content"] = message.reasoning_content
        if message.tool_call_id is not None:
            plain |= {"tool_call_id": message.tool_call_id, "name": names[message.tool_call_id]}
        if message.name:
            plain["name"] = message.name
        shown.append(plain)
    return shown


def offers(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools' definitions, in one order whatever the client's, so that models read what they were trained on."""
    shown = []
    for tool in tools:
        function: dict[str, Any] = {"name": tool.function.name}
        if tool.function.description is not None:
            function["description"] = tool.function.description
        function["parameters"] = tool.function.parameters or {"type": "object", "properties": {}}
        shown.append({"type": "function", "function": function})
    return shown


def split_beginning(messages: Sequence[Message]) -> tuple[Sequence[Message], str]:
    """The messages to answer, and the beginning of the answer: a last message of the assistant without calls."""
    last = messages[-1]
    if last.role == "assistant" and not last.tool_calls:
        return messages[:-1], last.text
    return messages, ""


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = msgspec.json.decode(call.function.arguments) if call.function.arguments.strip() else {}
    return {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}}
