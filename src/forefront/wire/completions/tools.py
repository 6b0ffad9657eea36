"""Tools that a client offers, and the calls of a model."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, field

from forefront.wire.record import Record

MAX_TOOLS = 128

# Agents put the name of an MCP server in front of a tool's, so 64 characters do not suffice.
FunctionName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]{1,128}\Z")]


class Function(msgspec.Struct, kw_only=True):
    """A function that the model may call. `parameters` is the JSON schema of its arguments (none given: an empty
    object). Arguments are valid against the schema. Keywords that no grammar can express are left out, or, with
    `strict`, an error."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


def _is_missing(value: object) -> bool:
    return value is UNSET


class TextGrammar(msgspec.Struct, kw_only=True):
    """The grammar of a call's text: Lark or a regular expression."""

    syntax: Literal["lark", "regex"]
    definition: str


class CustomFormat(msgspec.Struct, kw_only=True):
    """The form of a custom tool's input: any text, or text of a grammar."""

    type: Literal["text", "grammar"]
    grammar: TextGrammar | None = None

    def __post_init__(self) -> None:
        if self.type == "grammar" and self.grammar is None:
            raise ValueError("a format of the type `grammar` needs the field `grammar`")


class Custom(msgspec.Struct, kw_only=True):
    """A tool that takes one text."""

    name: FunctionName
    description: str | None = None
    format: CustomFormat | None = None


# The only argument of the function that represents a custom tool, and the keyword of its schema for a grammar.
CUSTOM_ARGUMENT: Final = "input"
TEXT_GRAMMAR: Final = "x-text-grammar"


class Tool(msgspec.Struct, kw_only=True):
    """Something that the model may use. A custom tool is offered to the model as a function with one text."""

    type: Literal["function", "custom"]
    function: Function = field(default_factory=lambda: UNSET)  # type: ignore[assignment]
    custom: Custom | None = None

    def __post_init__(self) -> None:
        if self.type == "custom" and self.custom is not None:
            self.function = _as_function(self.custom)
        elif self.type == "custom" or _is_missing(self.function):
            raise ValueError(f"a tool of the type `{self.type}` needs the field `{self.type}`")


def _as_function(custom: Custom) -> Function:
    argument: dict[str, Any] = {"type": "string"}
    if custom.format is not None and custom.format.grammar is not None:
        argument[TEXT_GRAMMAR] = msgspec.to_builtins(custom.format.grammar)
    parameters = {
        "type": "object",
        "properties": {CUSTOM_ARGUMENT: argument},
        "required": [CUSTOM_ARGUMENT],
        "additionalProperties": False,
    }
    return Function(name=custom.name, description=custom.description, parameters=parameters, strict=True)


class ChosenFunction(msgspec.Struct, kw_only=True):
    """The name of one of the offered functions."""

    name: str


class ChosenTool(msgspec.Struct, kw_only=True):
    """One of the offered tools, by its name."""

    type: Literal["function", "custom"]
    function: ChosenFunction = field(default_factory=lambda: UNSET)  # type: ignore[assignment]
    custom: ChosenFunction | None = None

    def __post_init__(self) -> None:
        if self.type == "custom" and self.custom is not None:
            self.function = self.custom
        elif self.type == "custom" or _is_missing(self.function):
            raise ValueError(f"a choice of the type `{self.type}` needs the field `{self.type}`")


class AllowedTools(msgspec.Struct, kw_only=True):
    """The tools that the model may use out of those that are offered; in the mode `required`, it has to."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[ChosenTool], Meta(min_length=1, max_length=MAX_TOOLS)]


class NamedToolChoice(msgspec.Struct, kw_only=True):
    """The one tool that the model has to call, or, of the type `allowed_tools`, those among which it may choose."""

    type: Literal["function", "custom", "allowed_tools"]
    function: ChosenFunction = field(default_factory=lambda: UNSET)  # type: ignore[assignment]
    custom: ChosenFunction | None = None
    allowed_tools: AllowedTools | None = None

    def __post_init__(self) -> None:
        if self.type == "custom" and self.custom is not None:
            self.function = self.custom
        has_names = self.allowed_tools is not None if self.type == "allowed_tools" else not _is_missing(self.function)
        if not has_names:
            raise ValueError(f"a choice of the type `{self.type}` needs the field `{self.type}`")

    @property
    def names(self) -> list[str]:
        """The names of the tools that the choice leaves."""
        if self.allowed_tools is not None:
            return [tool.function.name for tool in self.allowed_tools.tools]
        return [self.function.name]


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice


class FunctionCall(Record, kw_only=True):
    """A call: the function's name, and its arguments as the text of a JSON object."""

    name: str
    arguments: str


class CustomCall(Record, kw_only=True):
    """A call of a custom tool: its name and its text."""

    name: str
    input: str


class ToolCall(Record, kw_only=True):
    """One call that the model made, of a function or a custom tool. The message with its result names the `id`."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: FunctionCall = field(default_factory=lambda: UNSET)  # type: ignore[assignment]
    custom: CustomCall = field(default_factory=lambda: UNSET)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if _is_missing(self.custom if self.type == "custom" else self.function):
            raise ValueError(f"a call of the type `{self.type}` needs the field `{self.type}`")

    def as_function(self) -> "ToolCall":
        """The same as a call of the function that represents a custom tool."""
        if self.type == "function":
            return self
        arguments = msgspec.json.encode({CUSTOM_ARGUMENT: self.custom.input}).decode()
        return ToolCall(id=self.id, function=FunctionCall(name=self.custom.name, arguments=arguments))


class FunctionCallDelta(Record, kw_only=True, omit_defaults=True):
    """The additions of a chunk to a call: its whole name at first, then pieces of its arguments."""

    name: str | None = None
    arguments: str | None = None


class CustomCallDelta(Record, kw_only=True, omit_defaults=True):
    """The additions of a chunk to a call of a custom tool: its whole name at first, then pieces of its text."""

    name: str | None = None
    input: str | None = None


class ToolCallDelta(Record, kw_only=True, omit_defaults=True):
    """The additions of a chunk to the call `index` of a message. The first one carries `id`, `type` and the name."""

    index: int
    id: str | None = None
    type: Literal["function", "custom"] | None = None
    function: FunctionCallDelta | None = None
    custom: CustomCallDelta | None = None
