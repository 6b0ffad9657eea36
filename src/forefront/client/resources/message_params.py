"""Messages, tools and response formats as typed dicts."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from forefront.wire.completions.response import ResponseMessage
from forefront.wire.completions.tools import FunctionCall, ToolCall


class TextPartParam(TypedDict):
    """A part of a message's text."""

    type: Literal["text"]
    text: str


ContentParam: TypeAlias = str | Iterable[TextPartParam]
"""A text, or its parts."""


class RefusalPartParam(TypedDict):
    """A refusal as a part of the model's message."""

    type: Literal["refusal"]
    refusal: str


class PredictionParam(TypedDict):
    """The probable completion, as a text or as parts that follow each other."""

    type: Literal["content"]
    content: str | Iterable[TextPartParam]


class SystemMessageParam(TypedDict):
    """Instructions for the model. `developer` means the same as `system`."""

    role: Literal["system", "developer"]
    content: ContentParam
    name: NotRequired[str | None]


class UserMessageParam(TypedDict):
    """A message of the user."""

    role: Literal["user"]
    content: ContentParam
    name: NotRequired[str | None]


class FunctionCallParam(TypedDict):
    """The name of a called function, and its arguments as the text of a JSON object."""

    name: str
    arguments: str


class ToolCallParam(TypedDict):
    """A tool call of the model."""

    id: str
    type: Literal["function"]
    function: FunctionCallParam


class AssistantMessageParam(TypedDict):
    """A message of the model. `content` is required without `tool_calls`. As the last message, it is continued."""

    role: Literal["assistant"]
    content: NotRequired[str | Iterable[TextPartParam | RefusalPartParam] | None]
    name: NotRequired[str | None]
    tool_calls: NotRequired[Iterable[ToolCallParam | ToolCall] | None]
    function_call: NotRequired[FunctionCallParam | FunctionCall | None]
    reasoning_content: NotRequired[str | None]
    reasoning: NotRequired[str | None]
    refusal: NotRequired[str | None]


class ToolMessageParam(TypedDict):
    """The result of the tool call `tool_call_id`."""

    role: Literal["tool"]
    content: ContentParam
    tool_call_id: str


class FunctionMessageParam(TypedDict):
    """The result of the `function_call` before it: the older form of a tool message."""

    role: Literal["function"]
    name: str
    content: ContentParam


MessageParam: TypeAlias = (
    SystemMessageParam
    | UserMessageParam
    | AssistantMessageParam
    | ToolMessageParam
    | FunctionMessageParam
    | ResponseMessage
)
"""A message of a conversation: a dict, or the `message` of an earlier completion."""


class FunctionParam(TypedDict):
    """A function that the model may call. `parameters` is the JSON schema of its arguments."""

    name: str
    description: NotRequired[str | None]
    parameters: NotRequired[Mapping[str, Any] | None]
    strict: NotRequired[bool | None]


class ToolParam(TypedDict):
    """A tool that the model may use."""

    type: Literal["function"]
    function: FunctionParam


class ToolNameParam(TypedDict):
    """The name of a tool."""

    name: str


class NamedToolChoiceParam(TypedDict):
    """The tool that the model must call."""

    type: Literal["function"]
    function: ToolNameParam


ToolChoiceParam: TypeAlias = Literal["none", "auto", "required"] | NamedToolChoiceParam
"""Whether the model may call tools, must, or must call a certain one."""


class TextFormatParam(TypedDict):
    """Any text."""

    type: Literal["text"]


class JSONObjectFormatParam(TypedDict):
    """Any JSON object."""

    type: Literal["json_object"]


class JSONSchemaParam(TypedDict):
    """A JSON schema with a name."""

    schema: Mapping[str, Any]
    name: NotRequired[str | None]
    description: NotRequired[str | None]
    strict: NotRequired[bool | None]


class JSONSchemaFormatParam(TypedDict):
    """JSON that is valid against a schema."""

    type: Literal["json_schema"]
    json_schema: JSONSchemaParam


ResponseFormatParam: TypeAlias = TextFormatParam | JSONObjectFormatParam | JSONSchemaFormatParam
"""The format of a completion's text."""


class GrammarParam(TypedDict):
    """A context-free grammar, in llguidance's dialect of Lark or in llama.cpp's GBNF."""

    syntax: Literal["lark", "gbnf"]
    definition: str


class StreamOptionsParam(TypedDict, total=False):
    """With `include_usage`, a last chunk without choices has the usage."""

    include_usage: bool | None
