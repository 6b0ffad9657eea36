"""A conversation as chat templates take it: plain dicts in the format of Hugging Face."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from forefront.chat.prompt.template_roles import joined
from forefront.chat.prompt.tool_instructions import with_instructions, write_result
from forefront.chat.tools.tool_format import ToolFormat, compact
from forefront.wire.completions.message import Message
from forefront.wire.completions.tools import Tool, ToolCall
from forefront.wire.parsing.json_decoder import decode_json

# The ids that Mistral's templates take; they refuse all others.
_DIGITS = 128
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStyle:
    """A template's form of calls and results, where it differs from the usual.

    - `single`: one call in a message, no more.
    - `short_ids`: ids of nine letters and digits.
    - `counted_ids`: ids `functions.NAME:PLACE`, which have the names of the calls; places count from 0.
    - `text_arguments`: arguments as JSON text in place of objects.
    - `written`: the template has no place for calls; they go into the content in this format.
    - `user_results`: it has no role `tool`; results are messages of the user.
    - `thinking`: reasoning is also called `thinking`; beside calls it takes the content's place, where `exclusive`.
    - `text_fallback`: arguments that are no JSON object, as of a call that was cut off, may stand as text; else they
      are the member `arguments` of an object.
    - `text_apart`: no text is shown beside calls, but in a message of its own before them.
    - `tools_in_message`: the system's message holds the tools, as JSON text.
    - `tool_variables`: what the template calls the tools.
    - `described`: the template has no place for tools; the server describes them in the message of the system, or in
      the first one of the user.
    """

    single: bool = False
    short_ids: bool = False
    counted_ids: bool = False
    text_arguments: bool = False
    written: ToolFormat | None = None
    user_results: bool = False
    thinking: bool = False
    exclusive: bool = False
    text_fallback: bool = False
    text_apart: bool = False
    tools_in_message: bool = False
    tool_variables: tuple[str, ...] = ("tools",)
    described: Literal["system", "user"] | None = None

    @property
    def takes_tools(self) -> bool:
        """Whether a prompt can hold tools."""
        return bool(self.tool_variables or self.tools_in_message or self.described)


DEFAULT_STYLE = TemplateStyle()


def template_messages(messages: Sequence[Message], style: TemplateStyle = DEFAULT_STYLE) -> list[dict[str, Any]]:
    """The messages in the style that the template takes, with arguments of calls as objects and results under the names
    of their functions."""
    if style.single:
        messages = _one_by_one(messages)
    if style.text_apart:
        messages = [part for message in messages for part in _apart(message)]
    names: dict[str, str] = {}
    ids: dict[str, str] = {}
    count = 0
    shown = []
    for message in messages:
        role = "system" if message.role == "developer" else message.role
        plain: dict[str, Any] = {"role": role, "content": message.text}
        if message.reasoning_text:
            plain["reasoning_content"] = message.reasoning_text
            if style.thinking:
                plain["thinking"] = message.reasoning_text
        if message.tool_calls:
            names = {call.id: call.function.name for call in message.tool_calls}
            ids = {call.id: _id(call, count + place, style) for place, call in enumerate(message.tool_calls)}
            count += len(message.tool_calls)
            plain |= _calls(message, plain, ids, style)
        if message.tool_call_id is not None:
            plain |= {"tool_call_id": ids[message.tool_call_id], "name": names[message.tool_call_id]}
            if style.user_results:
                content = write_result(message.text) if style.described else message.text
                plain = {"role": "user", "content": content}
        if message.name:
            plain["name"] = message.name
        shown.append(plain)
    # Results have become messages of the user.
    return joined(shown, ("user",), "\n") if style.user_results else shown


def with_tools(messages: list[dict[str, Any]], tools: Sequence[Tool], style: TemplateStyle) -> list[dict[str, Any]]:
    """The same messages; the system's holds the tools, where the template looks for them there, and where it has no
    place for them."""
    if style.described is not None:
        return with_instructions(messages, tool_definitions(tools), style.described)
    if not style.tools_in_message:
        return messages
    if not messages or messages[0]["role"] != "system":
        messages = [{"role": "system", "content": ""}, *messages]
    return [messages[0] | {"tools": compact([offer["function"] for offer in tool_definitions(tools)])}, *messages[1:]]


def tool_definitions(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools' definitions. Their members are in one order, the usual one of training data."""
    shown = []
    for tool in tools:
        function: dict[str, Any] = {"name": tool.function.name}
        if tool.function.description is not None:
            function["description"] = tool.function.description
        function["parameters"] = tool.function.parameters or {"type": "object", "properties": {}}
        shown.append({"type": "function", "function": function})
    return shown


def split_prefill(messages: Sequence[Message]) -> tuple[Sequence[Message], str]:
    """The messages to answer, and the beginning of the answer: the text of a last message of the assistant without
    calls."""
    last = messages[-1]
    if last.role == "assistant" and not last.tool_calls:
        return messages[:-1], last.text
    return messages, ""


def _calls(message: Message, plain: dict[str, Any], ids: Mapping[str, str], style: TemplateStyle) -> dict[str, Any]:
    """The fields that a message's calls add or change."""
    made = [(call, _arguments(call)) for call in message.tool_calls or ()]
    if style.written is not None:
        calls = [(call.function.name, _object(arguments)) for call, arguments in made]
        text = style.written.write(calls)
        return {"content": f"{message.text}\n{text}" if message.text else text}
    added: dict[str, Any] = {"tool_calls": [_call(call, ids[call.id], arguments, style) for call, arguments in made]}
    if style.exclusive and message.text and "thinking" in plain:
        added |= {"content": "", "thinking": f"{plain['thinking']}\n{message.text}"}
    return added


def _arguments(call: ToolCall) -> dict[str, Any] | str:
    """The arguments as an object, or as text where they are none: a call may have been cut off."""
    text = call.function.arguments
    if not text.strip():
        return {}
    # The conversion of a long integer takes the square of its digits. Any 255 of them fill one of these pieces.
    if any(text[begin : begin + _DIGITS].isdecimal() for begin in range(0, len(text) - _DIGITS, _DIGITS)):
        return text
    try:
        decoded = decode_json(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text
    return decoded if isinstance(decoded, dict) else text


def _object(arguments: dict[str, Any] | str) -> dict[str, Any]:
    return {"arguments": arguments} if isinstance(arguments, str) else arguments


def _call(call: ToolCall, call_id: str, arguments: dict[str, Any] | str, style: TemplateStyle) -> dict[str, Any]:
    shown: dict[str, Any] | str = arguments
    if style.text_arguments:
        shown = arguments if isinstance(arguments, str) else compact(arguments)
    elif not style.text_fallback:
        shown = _object(arguments)
    function = {"name": call.function.name, "arguments": shown}
    return {"id": call_id, "type": "function", "function": function}


def _id(call: ToolCall, place: int, style: TemplateStyle) -> str:
    """The id of call number `place`, in the template's form."""
    if style.counted_ids:
        return f"functions.{call.function.name}:{place}"
    if not style.short_ids or _SHORT_ID.fullmatch(call.id):
        return call.id
    return hashlib.blake2b(call.id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()[:9]


def _one_by_one(messages: Sequence[Message]) -> list[Message]:
    """The same with each call in a separate message, followed by its result."""
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


def _apart(message: Message) -> list[Message]:
    """The text, with the reasoning before it, and the calls."""
    if not message.tool_calls or not message.text:
        return [message]
    calls = Message(role="assistant", tool_calls=message.tool_calls, name=message.name)
    return [msgspec.structs.replace(message, tool_calls=None), calls]


def _split(message: Message) -> list[Message]:
    """One message for each call; the first has the remaining content."""
    calls = message.tool_calls or []
    if len(calls) < 2:
        return [message]
    others = [Message(role="assistant", tool_calls=[call]) for call in calls[1:]]
    return [msgspec.structs.replace(message, tool_calls=calls[:1]), *others]
