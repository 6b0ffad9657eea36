"""From a Responses request to the chat request that every backend takes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

import msgspec

from forefront.wire.completions.message import Message
from forefront.wire.completions.parse import ParsedRequest, check_chat_request, check_sampled_request
from forefront.wire.completions.request import ChatRequest, Sampling
from forefront.wire.completions.response_format import JsonObjectFormat, JsonSchema, JsonSchemaFormat, ResponseFormat
from forefront.wire.completions.tools import MAX_TOOLS
from forefront.wire.errors import RequestError
from forefront.wire.parsing.field_names import rename_fields
from forefront.wire.responses.item_messages import ItemMessages
from forefront.wire.responses.items import InputItem, MessageItem
from forefront.wire.responses.request import MAX_ITEMS, JsonObject, JsonSchemaText, ResponsesRequest, TextOptions
from forefront.wire.responses.tools import ToolNames

_SAMPLING: Final = tuple(field.name for field in msgspec.structs.fields(Sampling))
_sampling_of: Final = attrgetter(*_SAMPLING)
# Fields of a chat request by the prefix of their paths, the longest first.
_FIELDS: Final = (
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("max_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("logprobs", "include"),
)
_TOOL: Final = re.compile(r"tools\[(?P<tool>[^\]]+)\](?:\.(?:function|custom)\b)?(?P<rest>.*)", re.DOTALL)


class ParsedResponse(ParsedRequest[ChatRequest], frozen=True, kw_only=True):
    """A request of the Responses API as a chat request. `source` is the request of the client, `input` its items,
    `tool_names` the names of its tools."""

    source: ResponsesRequest
    input: Sequence[InputItem] = ()
    tool_names: ToolNames


@dataclass(frozen=True, slots=True)
class ParsedSource:
    """A request that refers to stored responses, which its chat request needs. `ignored` as in `ParsedRequest`."""

    source: ResponsesRequest
    ignored: tuple[str, ...]


def input_items(request: ResponsesRequest) -> list[InputItem]:
    """The items of a request's `input`: a text is one message of the user."""
    return [MessageItem(role="user", content=request.input)] if isinstance(request.input, str) else request.input


def to_chat_request(
    source: ResponsesRequest, ignored: tuple[str, ...], history: Iterable[tuple[str, InputItem]] = ()
) -> ParsedResponse:
    """The chat request of `source`, after the items of `history`, each with the path of the field that brought it.

    Raises `RequestError` (400, 422) for fields that contradict each other, with the names of the Responses API.
    """
    items = input_items(source)
    paths = ["input"] if isinstance(source.input, str) else [f"input[{index}]" for index in range(len(items))]
    item_messages = ItemMessages([*history, *zip(paths, items, strict=True)])
    tool_names = ToolNames(source.tools or ())
    instructions = [] if not source.instructions else [Message(role="system", content=source.instructions)]
    text_input = isinstance(source.input, str)

    def field_name(path: str) -> str:
        if path.startswith("messages"):
            if path == "messages":
                return "input"
            if path.startswith("messages[0]") and instructions:
                return "instructions"
            named = item_messages.field_name(path, len(instructions))
            return "input" if text_input and named.startswith("input") else named
        for begin, name in _FIELDS:
            if path.startswith(begin) and path[len(begin) : len(begin) + 1] in ("", ".", "["):
                return name + path[len(begin) :]
        if (match := _TOOL.fullmatch(path)) is not None:
            return tool_names.path(match["tool"]) + match["rest"].replace(".format.grammar", ".format", 1)
        return path

    try:
        request = _chat_request(source, [*instructions, *item_messages.messages], tool_names)
        check_sampled_request(request)
        check_chat_request(request)
    except RequestError as error:
        rename_fields(error, field_name)
        raise
    if request.answers_json:
        ignored += tuple(name for name in ("stop", "stop_token_ids") if getattr(source, name))
    return ParsedResponse(request, ignored, field_name, source=source, input=items, tool_names=tool_names)


def _chat_request(source: ResponsesRequest, messages: list[Message], tool_names: ToolNames) -> ChatRequest:
    if not messages:
        raise RequestError("missing_parameter", "`input` is required.", param="input")
    if len(messages) > MAX_ITEMS:
        text = f"`input` and what it continues must have at most {MAX_ITEMS} messages; they have {len(messages)}."
        raise RequestError("invalid_value", text, param="input")
    if len(tool_names.tools) > MAX_TOOLS:
        text = f"`tools` must have at most {MAX_TOOLS} tools, with those of namespaces; there are "
        raise RequestError("invalid_value", f"{text}{len(tool_names.tools)}.", param="tools")
    return ChatRequest(
        **dict(zip(_SAMPLING, _sampling_of(source), strict=True)),
        messages=messages,
        max_tokens=source.max_output_tokens,
        tools=None if source.tools is None else tool_names.tools,
        tool_choice=tool_names.choice(source.tool_choice),
        parallel_tool_calls=source.parallel_tool_calls,
        reasoning_effort=None if source.reasoning is None else source.reasoning.effort,
        response_format=_response_format(source.text),
        logprobs=source.includes_logprobs or None,
        top_logprobs=source.top_logprobs if source.includes_logprobs else None,
    )


def _response_format(text: TextOptions | None) -> ResponseFormat | None:
    match None if text is None else text.format:
        case JsonObject():
            return JsonObjectFormat()
        case JsonSchemaText() as form:
            schema = JsonSchema(schema=form.schema, name=form.name, description=form.description, strict=form.strict)
            return JsonSchemaFormat(json_schema=schema)
    return None
