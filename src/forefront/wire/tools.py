"""Tools that a client offers, and the calls of a model."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from forefront.wire.record import Record

MAX_TOOLS = 128

FunctionName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]{1,64}\Z")]


class Function(msgspec.Struct, kw_only=True):
    """A function that the model may call. `parameters` is the JSON schema of its arguments (none given: an empty
    object). Arguments always keep to the schema, but for keywords that no grammar can express: with `strict` they are
    refused, else left out."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, kw_only=True):
    """Something that the model may use; functions are what there is."""

    type: Literal["function"]
    function: Function


class ChosenFunction(msgspec.Struct, kw_only=True):
    """The name of one of the offered functions."""

    name: str


class NamedToolChoice(msgspec.Struct, kw_only=True):
    """The one function that the model has to call."""

    type: Literal["function"]
    function: ChosenFunction


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice


class FunctionCall(Record, kw_only=True):
    """A call: the function's name, and its arguments as the text of a JSON object."""

    name: str
    arguments: str


class ToolCall(Record, kw_only=True):
    """One call that the model made. The message with its result names the `id`."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class FunctionCallDelta(Record, kw_only=True, omit_defaults=True):
    """What a chunk adds to a call: its whole name at first, then pieces of its arguments."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Record, kw_only=True, omit_defaults=True):
    """What a chunk adds to the call `index` of a message. The first one carries `id`, `type` and the name."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCallDelta | None = None
