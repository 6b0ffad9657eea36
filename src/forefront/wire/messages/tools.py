"""Tools of a request, and the choice among them."""

from typing import Any, Literal

import msgspec

from forefront.wire.completions.tools import ChosenFunction, Function, FunctionName, NamedToolChoice, Tool, ToolChoice
from forefront.wire.messages.blocks import CacheControl


class ClientTool(msgspec.Struct, kw_only=True, tag_field="type", tag="custom"):
    """A tool that the client runs. `input_schema` is the JSON schema of its input, an object. With `strict`, a keyword
    that no grammar can express is an error. With `defer_loading` the model reads the tool once a result refers to it.
    `type` may be left out."""

    name: FunctionName
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    cache_control: CacheControl | None = None

    def to_chat(self) -> Tool:
        """The tool of a chat request."""
        function = Function(
            name=self.name, description=self.description, parameters=self.input_schema, strict=self.strict
        )
        return Tool(type="function", function=function)


class AutoChoice(msgspec.Struct, kw_only=True, tag_field="type", tag="auto"):
    """The model decides. With `disable_parallel_tool_use` it makes one call at most."""

    disable_parallel_tool_use: bool | None = None


class AnyChoice(msgspec.Struct, kw_only=True, tag_field="type", tag="any"):
    """The model has to call a tool; with `disable_parallel_tool_use` one."""

    disable_parallel_tool_use: bool | None = None


class ToolNameChoice(msgspec.Struct, kw_only=True, tag_field="type", tag="tool"):
    """The model has to call the tool of that name, once."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoneChoice(msgspec.Struct, kw_only=True, tag_field="type", tag="none"):
    """The model must not call a tool."""


MessagesToolChoice = AutoChoice | AnyChoice | ToolNameChoice | NoneChoice


def chat_tool_choice(choice: MessagesToolChoice | None) -> ToolChoice | None:
    """The `tool_choice` of a chat request."""
    match choice:
        case None:
            return None
        case ToolNameChoice():
            return NamedToolChoice(type="function", function=ChosenFunction(name=choice.name))
        case AnyChoice():
            return "required"
        case AutoChoice():
            return "auto"
        case NoneChoice():
            return "none"


def parallel_tool_calls(choice: MessagesToolChoice | None) -> bool | None:
    """The `parallel_tool_calls` of a chat request."""
    if choice is None or isinstance(choice, NoneChoice) or choice.disable_parallel_tool_use is None:
        return None
    return not choice.disable_parallel_tool_use


_KINDS: dict[type[msgspec.Struct], Literal["any", "tool"]] = {AnyChoice: "any", ToolNameChoice: "tool"}


def needs_tools(choice: MessagesToolChoice | None) -> str | None:
    """The type of a choice that is impossible without tools."""
    return None if choice is None else _KINDS.get(type(choice))
