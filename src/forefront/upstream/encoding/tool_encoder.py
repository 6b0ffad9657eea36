"""Tools and the choice among them in the form that upstreams take."""

from typing import Any

import msgspec

from forefront.upstream.dialects import Dialect, Fields
from forefront.wire.completions.request import ChatRequest
from forefront.wire.completions.tools import TEXT_GRAMMAR, NamedToolChoice, Tool
from forefront.wire.errors import RequestError


def encode_tools(request: ChatRequest, dialect: Dialect, model: str) -> Fields:
    """`tools` and `tool_choice`. Raises `RequestError` 400 for a choice that the upstream does not support.

    Custom tools are functions with one text for servers that do not know them. A choice among some tools leaves the
    others out where the server has no such choice; so does the choice of one tool.
    """
    if not request.tools:
        return {}
    choice = request.tool_choice
    if not dialect.tool_choice:
        if choice == "none":
            return {}
        if choice not in (None, "auto"):
            text = (
                f"`tool_choice` is not supported by the model `{model}`, whose upstream ({dialect.name}) always has it."
            )
            raise RequestError("unsupported_parameter", text, param="tool_choice")
        return {"tools": _tools(request.tools, dialect, model)}
    if isinstance(choice, NamedToolChoice):
        return _named(request, choice, dialect, model)
    fields: Fields = {"tools": _tools(request.tools, dialect, model)}
    return fields if choice is None else fields | {"tool_choice": choice}


def custom_tools(request: ChatRequest, dialect: Dialect) -> frozenset[str]:
    """The names of the custom tools that the upstream takes for functions."""
    if dialect.custom_tools:
        return frozenset()
    return frozenset(tool.function.name for tool in request.tools or () if tool.type == "custom")


def _named(request: ChatRequest, choice: NamedToolChoice, dialect: Dialect, model: str) -> Fields:
    tools = request.tools or []
    if choice.allowed_tools is not None:
        if not dialect.allowed_tools:
            return {
                "tools": _tools(request.callable_tools, dialect, model),
                "tool_choice": choice.allowed_tools.mode,
            }
        allowed = [_name(tool.function.name, tools, dialect) for tool in choice.allowed_tools.tools]
        plain = {"mode": choice.allowed_tools.mode, "tools": allowed}
        named: Any = {"type": "allowed_tools", "allowed_tools": plain}
    elif not dialect.named_tool:
        return {"tools": _tools(request.callable_tools, dialect, model), "tool_choice": "required"}
    else:
        named = _name(choice.function.name, tools, dialect)
    return {"tools": _tools(tools, dialect, model), "tool_choice": named}


def _name(name: str, tools: list[Tool], dialect: Dialect) -> dict[str, Any]:
    custom = dialect.custom_tools and any(tool.type == "custom" and tool.function.name == name for tool in tools)
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": name}}


def _tools(tools: list[Tool], dialect: Dialect, model: str) -> list[dict[str, Any]]:
    return [_tool(tool, index, dialect, model) for index, tool in enumerate(tools)]


def _tool(tool: Tool, index: int, dialect: Dialect, model: str) -> dict[str, Any]:
    if tool.custom is not None and tool.type == "custom" and dialect.custom_tools:
        return {"type": "custom", "custom": _without_null(msgspec.to_builtins(tool.custom))}
    function = tool.function
    parameters = function.parameters or {"type": "object", "properties": {}}
    if (
        tool.custom is not None
        and tool.type == "custom"
        and any(TEXT_GRAMMAR in schema for schema in parameters["properties"].values())
    ):
        path = f"tools[{index}].custom.format"
        text = (
            f"`{path}` is not supported by the model `{model}`: its upstream ({dialect.name}) binds no text of tools."
        )
        raise RequestError("unsupported_parameter", text, param=path)
    plain = _without_null(
        {
            "name": function.name,
            "description": function.description,
            "parameters": parameters,
            "strict": function.strict,
        }
    )
    return {"type": "function", "function": plain}


def _without_null(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_null(member) if isinstance(member, dict) and name in ("format", "grammar") else member
        for name, member in value.items()
        if member is not None
    }
