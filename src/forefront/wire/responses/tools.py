"""Tools of a request, and the choice among them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from forefront.wire.completions.tools import (
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

    def to_chat(self, name: str) -> Tool:
        """The tool of a chat request, by the name that it has there."""
        function = Function(name=name, description=self.description, parameters=self.parameters, strict=self.strict)
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

    def to_chat(self, name: str) -> Tool:
        """The tool of a chat request, by the name that it has there."""
        form = None
        if isinstance(self.format, GrammarInput):
            grammar = TextGrammar(syntax=self.format.syntax, definition=self.format.definition)
            form = CustomFormat(type="grammar", grammar=grammar)
        return Tool(type="custom", custom=Custom(name=name, description=self.description, format=form))


class NamespaceTool(msgspec.Struct, kw_only=True, tag_field="type", tag="namespace"):
    """Functions and custom tools under a common name, which is the `namespace` of their calls. The model reads
    `description` with the first of them."""

    name: FunctionName
    description: str | None = None
    tools: Annotated[list[FunctionTool | CustomTool], Meta(min_length=1, max_length=MAX_TOOLS)]


ResponseTool = FunctionTool | CustomTool | NamespaceTool


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


def qualified_name(namespace: str | None, name: str) -> str:
    """The name that a tool of a namespace has in a chat request, where there are no namespaces."""
    if namespace is None:
        return name
    return namespace + name if namespace.endswith("__") else f"{namespace}__{name}"


class ToolNames:
    """The tools of a request in the form of a chat request, and their names in both forms."""

    def __init__(self, tools: Sequence[ResponseTool]) -> None:
        self.tools: list[Tool] = []
        self._paths: list[str] = []
        self._parts: dict[str, tuple[str | None, str]] = {}
        self._qualified: dict[str, str] = {}  # by a name without its namespace
        for index, tool in enumerate(tools):
            if not isinstance(tool, NamespaceTool):
                self._add(f"tools[{index}]", None, tool)
                continue
            for place, member in enumerate(tool.tools):
                described = [tool.description, member.description] if place == 0 else [member.description]
                description = "\n\n".join(filter(None, described)) or None
                member = msgspec.structs.replace(member, description=description)
                self._add(f"tools[{index}].tools[{place}]", tool.name, member)

    def _add(self, path: str, namespace: str | None, tool: FunctionTool | CustomTool) -> None:
        name = qualified_name(namespace, tool.name)
        self.tools.append(tool.to_chat(name))
        self._paths.append(path)
        self._parts.setdefault(name, (namespace, tool.name))
        if namespace is None or tool.name not in self._qualified:
            self._qualified[tool.name] = name

    def split(self, name: str) -> tuple[str | None, str]:
        """Namespace and name of a tool, by its name in the chat request."""
        return self._parts.get(name, (None, name))

    def path(self, tool: str) -> str:
        """The path in the client's request of a tool, by its index or its name in the chat request."""
        if tool.isdecimal() and int(tool) < len(self._paths):
            return self._paths[int(tool)]
        for path, candidate in zip(self._paths, self.tools, strict=True):
            if candidate.function.name == tool:
                return path
        return f"tools[{tool}]"

    def choice(self, choice: ResponseToolChoice | None) -> ToolChoice | None:
        """The `tool_choice` of the chat request. A name without its own tool is that of the first tool of a
        namespace with that name."""
        match choice:
            case FunctionChoice():
                return NamedToolChoice(type="function", function=self._chosen(choice.name))
            case CustomChoice():
                return NamedToolChoice(type="custom", custom=self._chosen(choice.name))
            case AllowedToolsChoice():
                tools = [
                    ChosenTool(type="function", function=self._chosen(tool.name))
                    if isinstance(tool, FunctionChoice)
                    else ChosenTool(type="custom", custom=self._chosen(tool.name))
                    for tool in choice.tools
                ]
                return NamedToolChoice(type="allowed_tools", allowed_tools=AllowedTools(mode=choice.mode, tools=tools))
        return choice

    def _chosen(self, name: str) -> ChosenFunction:
        return ChosenFunction(name=self._qualified.get(name, name))
