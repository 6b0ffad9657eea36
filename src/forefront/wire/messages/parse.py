"""From the bytes of a Messages request to the typed request, with an error that names the field."""

import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from forefront.wire.completions.parse import convert_fields, read_fields
from forefront.wire.errors import RequestError
from forefront.wire.messages.blocks import Block, CacheControl, SystemBlock, ToolResultBlock
from forefront.wire.messages.refused_fields import FIELD_TABLES
from forefront.wire.messages.request import CountTokensRequest, EnabledThinking, MessagesRequest
from forefront.wire.messages.tools import ClientTool, needs_tools
from forefront.wire.parsing.validation_errors import Choices

R = TypeVar("R", bound=CountTokensRequest)

_CHOICES: Final = (
    Choices(
        re.compile(r"tools\[\d+\]\.type"),
        "Tools of type {value} are not supported: only `custom` ones are, which the client runs.",
    ),
    Choices(
        re.compile(r"messages\[\d+\]\.content\[\d+\](\.content\[\d+\])?\.type"),
        "Blocks of type {value} are not supported here: only `text`, `image`, `tool_use`, `tool_result`, `thinking` "
        "and `redacted_thinking` are; in a result only `text`, `image` and `tool_reference`.",
    ),
    Choices(
        re.compile(r"messages\[\d+\]\.content\[\d+\](\.content\[\d+\])?\.source\.type"),
        "Sources of type {value} are not supported: only `base64` and `url` are.",
    ),
    Choices(
        re.compile(r"messages\[\d+\]\.role"),
        "The role {value} is not supported: only `user`, `assistant` and `system` are.",
    ),
    Choices(
        re.compile(r"thinking\.type"),
        "Thinking of type {value} is not supported: only `enabled`, `adaptive` and `disabled` are.",
    ),
)


def parse_request(body: bytes | bytearray, kind: type[R]) -> tuple[R, tuple[str, ...]]:
    """The body of `POST /v1/messages` or of its `count_tokens`, and the paths of its fields without effect.

    Raises `RequestError` (400, 422).
    """
    fields = read_fields(body)
    _add_tool_types(fields.get("tools"))
    request, ignored = convert_fields(fields, kind, FIELD_TABLES[kind], _CHOICES)
    _check(request)
    return request, ignored + tuple(_without_effect(request))


def _add_tool_types(tools: Any) -> None:
    """Tools may come without their `type`."""
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and tool.get("type") is None:
            tool["type"] = "custom"


def _check(request: CountTokensRequest) -> None:
    """Rules between fields."""
    for index, tool in enumerate(request.tools or ()):
        _check_schema(tool, f"tools[{index}].input_schema.type")
    if not request.tools and (kind := needs_tools(request.tool_choice)):
        text = f"`tool_choice` of the type `{kind}` needs `tools`."
        raise RequestError("invalid_value", text, param="tool_choice")
    if request.output_format is not None and request.output_config is not None and request.output_config.format:
        text = "`output_format` and `output_config.format` mean the same: send one of them."
        raise RequestError("invalid_value", text, param="output_format")
    if not isinstance(request, MessagesRequest):
        return
    if request.stop_sequences is not None and request.stop is not None:
        text = "`stop_sequences` and `stop` mean the same: send one of them."
        raise RequestError("invalid_value", text, param="stop")
    if isinstance(request.thinking, EnabledThinking) and request.thinking.budget_tokens >= request.max_tokens:
        param = "thinking.budget_tokens"
        raise RequestError("invalid_value", f"`{param}` must be less than `max_tokens`.", param=param)


def _check_schema(tool: ClientTool, param: str) -> None:
    if "type" not in tool.input_schema:
        raise RequestError("missing_parameter", f"`{param}` is required.", param=param)
    if tool.input_schema["type"] != "object":
        raise RequestError("invalid_value", f"`{param}` must be `object`.", param=param)


def _without_effect(request: CountTokensRequest) -> Iterator[str]:
    """Known fields without an effect."""
    if any(control is not None for control in _cache_controls(request)):
        yield "cache_control"
    if isinstance(request, MessagesRequest) and request.metadata is not None and request.metadata.user_id is not None:
        yield "metadata.user_id"


def _cache_controls(request: CountTokensRequest) -> Iterator[CacheControl | None]:
    yield request.cache_control
    yield from (tool.cache_control for tool in request.tools or ())
    for content in (request.system, *(message.content for message in request.messages)):
        if isinstance(content, list):
            for block in content:
                yield from _of_block(block)


def _of_block(block: Block | SystemBlock) -> Iterator[CacheControl | None]:
    yield getattr(block, "cache_control", None)
    if isinstance(block, ToolResultBlock) and isinstance(block.content, list):
        yield from (part.cache_control for part in block.content)
