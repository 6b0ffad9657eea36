"""From a Messages request to the chat request that every backend takes."""

import re
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from forefront.wire.completions.parse import ParsedRequest, check_chat_request, check_sampled_request
from forefront.wire.completions.request import ChatRequest, Sampling
from forefront.wire.completions.response_format import JsonSchema, JsonSchemaFormat
from forefront.wire.completions.tools import MAX_TOOLS
from forefront.wire.errors import RequestError
from forefront.wire.messages.conversation import ConversationMessages, tool_references
from forefront.wire.messages.parse import parse_request
from forefront.wire.messages.request import (
    AdaptiveThinking,
    CountTokensRequest,
    DisabledThinking,
    EnabledThinking,
    MessagesRequest,
)
from forefront.wire.messages.tools import AnyChoice, ClientTool, ToolNameChoice, chat_tool_choice, parallel_tool_calls
from forefront.wire.parsing.field_names import rename_fields

_SAMPLING: Final = tuple(field.name for field in msgspec.structs.fields(Sampling) if field.name != "stop")
_sampling_of: Final = attrgetter(*_SAMPLING)
_PLACE: Final = re.compile(r"(?<=^tools\[)\d+(?=\])")
_TOOL: Final = re.compile(r"(tools\[[^\]]+\])\.function\b(\.parameters\b)?")
_Effort = Literal["none", "low", "medium", "high", "xhigh"]


class ParsedMessage(ParsedRequest[ChatRequest], frozen=True):
    """A request of the Messages API as a chat request. `omits_thinking`: thinking is sent without its text."""

    omits_thinking: bool = False


def parse_messages_request(body: bytes | bytearray) -> ParsedMessage:
    """Read the body of `POST /v1/messages`. Raises `RequestError` (400, 422)."""
    return _to_chat_request(*parse_request(body, MessagesRequest))


def parse_count_tokens_request(body: bytes | bytearray) -> ParsedMessage:
    """Read the body of `POST /v1/messages/count_tokens`. Raises `RequestError` (400, 422)."""
    return _to_chat_request(*parse_request(body, CountTokensRequest))


def _to_chat_request(source: CountTokensRequest, ignored: tuple[str, ...]) -> ParsedMessage:
    conversation = ConversationMessages(source.messages, source.system)
    tools = _loaded_tools(source)
    effort, effort_name, without_effect = _effort(source)
    stops = source.stop_sequences if isinstance(source, MessagesRequest) else None
    form = "output_config.format" if source.output_format is None else "output_format"
    names = {
        "response_format.json_schema": form,
        "response_format": form,
        "reasoning_effort": effort_name,
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "stop": "stop" if stops is None else "stop_sequences",
    }

    def place_of(index: str) -> str:
        return str(tools[int(index)][0]) if int(index) < len(tools) else index

    def field_name(path: str) -> str:
        if path.startswith("messages"):
            return conversation.field_name(path)
        for begin, name in names.items():
            if path.startswith(begin) and path[len(begin) : len(begin) + 1] in ("", ".", "["):
                return name + path[len(begin) :]
        path = _PLACE.sub(lambda match: place_of(match[0]), path)
        return _TOOL.sub(lambda match: match[1] + (".input_schema" if match[2] else ""), path)

    try:
        request = ChatRequest(
            **dict(zip(_SAMPLING, _sampling_of(source), strict=True)),
            stop=source.stop if stops is None else stops,
            messages=conversation.messages,
            max_tokens=source.max_tokens if isinstance(source, MessagesRequest) else None,
            tools=None if source.tools is None else [tool.to_chat() for _, tool in tools],
            tool_choice=chat_tool_choice(source.tool_choice),
            parallel_tool_calls=parallel_tool_calls(source.tool_choice),
            reasoning_effort=effort,
            response_format=_response_format(source),
        )
        check_sampled_request(request)
        check_chat_request(request)
    except RequestError as error:
        rename_fields(error, field_name)
        raise
    ignored += without_effect
    if request.answers_json:
        given: dict[str, Any] = {"stop": request.stop, "stop_token_ids": request.stop_token_ids}
        ignored += tuple(field_name(name) for name, value in given.items() if value)
    display = source.thinking.display if isinstance(source.thinking, EnabledThinking | AdaptiveThinking) else None
    return ParsedMessage(request, ignored, field_name, display in ("omitted", "updates"))


def _loaded_tools(source: CountTokensRequest) -> list[tuple[int, ClientTool]]:
    """The tools that the model reads, each with its place in the request: not those that no search has found yet.

    Raises `RequestError` 422 for two tools of one name, a reference to a tool that is not in the request, too many
    loaded tools, and a choice of any of them where there are none.
    """
    tools = source.tools or ()
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.name in names:
            param = f"tools[{index}].name"
            raise RequestError("invalid_value", f"`{param}`: two tools have the name `{tool.name}`.", param=param)
        names.add(tool.name)
    found = {source.tool_choice.name} if isinstance(source.tool_choice, ToolNameChoice) else set()
    for path, name in tool_references(source.messages):
        if name not in names:
            text = f"`{path}`: there is no tool of the name `{name[:64]}` in `tools`."
            raise RequestError("invalid_value", text, param=path)
        found.add(name)
    loaded = [(place, tool) for place, tool in enumerate(tools) if not tool.defer_loading or tool.name in found]
    if len(loaded) > MAX_TOOLS:
        text = f"`tools` must have at most {MAX_TOOLS} loaded tools; there are {len(loaded)}."
        raise RequestError("invalid_value", text, param="tools")
    if tools and not loaded and isinstance(source.tool_choice, AnyChoice):
        text = "`tool_choice` of the type `any`: there are no loaded tools, all of `tools` have `defer_loading`."
        raise RequestError("invalid_value", text, param="tool_choice")
    return loaded


def _effort(source: CountTokensRequest) -> tuple[_Effort | None, str, tuple[str, ...]]:
    """The effort, the field that sets it, and the fields that another one overrides."""
    effort = None if source.output_config is None else source.output_config.effort
    if isinstance(source.thinking, DisabledThinking):
        return "none", "thinking", () if effort is None else ("output_config.effort",)
    budgeted = isinstance(source.thinking, EnabledThinking)
    if effort is not None:
        return (
            "xhigh" if effort == "max" else effort,
            "output_config.effort",
            (("thinking.budget_tokens",) if budgeted else ()),
        )
    return source.thinking.effort if isinstance(source.thinking, EnabledThinking) else None, "thinking", ()


def _response_format(source: CountTokensRequest) -> JsonSchemaFormat | None:
    form = source.output_format
    if source.output_config is not None:
        form = form or source.output_config.format
    return None if form is None else JsonSchemaFormat(json_schema=JsonSchema(schema=form.schema))
