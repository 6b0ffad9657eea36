"""A conversation as chat templates expect it: plain dicts, in the manner of Hugging Face's."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from forefront.chat.tool_format import ToolFormat
from forefront.wire.message import Message
from forefront.wire.tools import Tool, ToolCall

# The ids that Mistral's templates take; they refuse all others.
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")


def as_dicts(messages: Sequence[Message], form: ToolFormat | None = None) -> list[dict[str, Any]]:
    """The messages, arguments of calls as objects and results under the names of their functions; calls as templates
    of the format `form` take them."""
    if form is not None and form.single:
        messages = _one_by_one(messages)
    short = form is not None and form.family == "mistral"
    names: dict[str, str] = {}
    shown = []
    for message in messages:
        role = "system" if message.role == "developer" else message.role
        plain: dict[str, Any] = {"role": role, "content": message.text}
        if message.tool_calls:
            names = {call.id: call.function.name for call in message.tool_calls}
            plain["tool_calls"] = [_call(call, short) for call in message.tool_calls]
        if message.reasoning_content:
            plain["reasoning_content"] = message.reasoning_content
        if message.tool_call_id is not None:
            plain |= {"tool_call_id": _id(message.tool_call_id, short), "name": names[message.tool_call_id]}
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


def _call(call: ToolCall, short: bool) -> dict[str, Any]:
    arguments = msgspec.json.decode(call.function.arguments) if call.function.arguments.strip() else {}
    function = {"name": call.function.name, "arguments": arguments}
    return {"id": _id(call.id, short), "type": "function", "function": function}


def _id(given: str, short: bool) -> str:
    """A call's id, or nine letters and digits in its place."""
    if not short or _SHORT_ID.fullmatch(given):
        return given
    return hashlib.blake2b(given.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()[:9]


def _one_by_one(messages: Sequence[Message]) -> list[Message]:
    """The same with each call in a message of its own, and its result behind it."""
    groups: list[list[Message]] = []
    places: dict[str | None, list[Message]] = {}
    for message in messages:
        if message.tool_call_id in places:
            places[message.tool_call_id].append(message)
            continue
        for alone in _split(message):
            groups.append([alone])
            places |= {call.id: groups[-1] for call in alone.tool_calls or ()}
    return [message for group in groups for message in group]


def _split(message: Message) -> list[Message]:
    """One message for each call; the first one has what else there is to say."""
    calls = message.tool_calls or []
    if len(calls) < 2:
        return [message]
    others = [Message(role="assistant", tool_calls=[call]) for call in calls[1:]]
    return [msgspec.structs.replace(message, tool_calls=calls[:1]), *others]
