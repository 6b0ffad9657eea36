"""Tools of a request, and the choice among them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from forefront.wire.tools import (
    MAX_TOOLS,
    AllowedTools,
    ChosenFunction,
    ChosenTool,
    Custom,
    CustomFormat,
    Function,
    FunctionName,
    NamedToolChoice,
    TextGrammar,
    Tool,
    ToolChoice,
)


class FunctionTool(msgspec.Struct, kw_only=True, tag_field="type", tag="function"):
    """A function that the model may call. `parameters` is the JSON schema of its arguments. With `strict`, a keyword
    that no grammar can express is an error."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    def to_chat(self) -> Tool:
        """The tool of a chat request."""
        function = Function(
            name=self.name, description=self.description, parameters=self.parameters, strict=self.strict
        )
        return Tool(type="function", function=function)


class TextInput(msgspec.Struct, kw_only=True, tag_field="type", tag="text"):
    """Any text."""


class GrammarInput(msgspec.Struct, kw_only=True, tag_field="type", tag="grammar"):
    """Text of a grammar: Lark or a regular expression."""

    syntax: Literal["lark", "regex"]
    definition: str


class CustomTool(msgspec.Struct, kw_only=True, tag_field="type", tag="custom"):
    """A tool that takes one text."""

    name: FunctionName
    description: str | None = None
    format: TextInput | GrammarInput | None = None

    def to_chat(self) -> Tool:
        """The tool of a chat request."""
        form = None
        if isinstance(self.format, GrammarInput):
            grammar = TextGrammar(syntax=self.format.syntax, definition=self.format.definition)
            form = CustomFormat(type="grammar", grammar=grammar)
        return Tool(type="custom", custom=Custom(name=self.name, description=self.description, format=form))


ResponseTool = FunctionTool | CustomTool


class FunctionChoice(msgspec.Struct, kw_only=True, tag_field="type", tag="function"):
    """The function of that name."""

    name: str


class CustomChoice(msgspec.Struct, kw_only=True, tag_field="type", tag="custom"):
    """The custom tool of that name."""

    name: str


class AllowedToolsChoice(msgspec.Struct, kw_only=True, tag_field="type", tag="allowed_tools"):
    """The tools that the model may use out of those that are offered; in the mode `required`, it has to."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[FunctionChoice | CustomChoice], Meta(min_length=1, max_length=MAX_TOOLS)]


ResponseToolChoice = Literal["none", "auto", "required"] | FunctionChoice | CustomChoice | AllowedToolsChoice


def chat_tool_choice(choice: ResponseToolChoice | None) -> ToolChoice | None:
    """The `tool_choice` of a chat request."""
    match choice:
        case FunctionChoice():
            return NamedToolChoice(type="function", function=ChosenFunction(name=choice.name))
        case CustomChoice():
            return NamedToolChoice(type="custom", custom=ChosenFunction(name=choice.name))
        case AllowedToolsChoice():
            allowed = AllowedTools(mode=choice.mode, tools=[_chosen(tool) for tool in choice.tools])
            return NamedToolChoice(type="allowed_tools", allowed_tools=allowed)
    return choice


def _chosen(tool: FunctionChoice | CustomChoice) -> ChosenTool:
    if isinstance(tool, FunctionChoice):
        return ChosenTool(type="function", function=ChosenFunction(name=tool.name))
    return ChosenTool(type="custom", custom=ChosenFunction(name=tool.name))
