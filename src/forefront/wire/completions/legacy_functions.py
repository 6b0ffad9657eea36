"""`functions`, `function_call` and the role `function`: the form of calls before `tools`, rewritten as tools.

A request keeps its `functions`, by which the encoder knows that the answer has the older form too.
"""

from typing import NoReturn

import msgspec

from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest
from forefront.wire.completions.tools import ChosenFunction, FunctionCall, NamedToolChoice, Tool, ToolCall, ToolChoice
from forefront.wire.errors import RequestError


def resolve_functions(request: ChatRequest) -> ChatRequest:
    """The request with functions as tools, one call at most. Raises `RequestError` 422 for a mixture of both forms."""
    messages = _resolve_messages(request.messages)
    if messages is not request.messages:
        request = msgspec.structs.replace(request, messages=messages)
    if request.functions is None:
        if isinstance(request.function_call, ChosenFunction):
            _refuse("`function_call` names a function, but there are no `functions`.", "function_call")
        return request
    for name in ("tools", "tool_choice"):
        if getattr(request, name) is not None:
            _refuse(f"`functions` is the older form of `tools`: it cannot be combined with `{name}`.", name)
    tools = [Tool(type="function", function=function) for function in request.functions]
    choice = _tool_choice(request)
    return msgspec.structs.replace(request, tools=tools, tool_choice=choice, parallel_tool_calls=False)


def _tool_choice(request: ChatRequest) -> ToolChoice | None:
    choice = request.function_call
    if not isinstance(choice, ChosenFunction):
        return choice
    if choice.name not in [function.name for function in request.functions or ()]:
        _refuse(f"`function_call` names `{choice.name[:64]}`, which is not among the functions.", "function_call")
    return NamedToolChoice(type="function", function=choice)


def _resolve_messages(messages: list[Message]) -> list[Message]:
    """Calls and results in the form of tools; the same list where nothing changes."""
    for message in messages:
        if message.function_call is not None or message.role == "function":
            break
    else:
        return messages
    resolved: list[Message] = []
    call: ToolCall | None = None
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message.function_call is not None:
            call = _call(message.function_call, message, path, f"call_{index}")
            message = msgspec.structs.replace(message, tool_calls=[call], function_call=None)
        elif message.role == "function":
            message = _result(message, call, path)
            call = None
        else:
            call = None
        resolved.append(message)
    return resolved


def _call(function: FunctionCall, message: Message, path: str, id_: str) -> ToolCall:
    if message.role != "assistant":
        _refuse(f"Only messages of the assistant have a `function_call`, not {path}.", f"{path}.function_call")
    if message.tool_calls:
        _refuse(f"`{path}` has both `function_call` and `tool_calls`: send one of them.", f"{path}.function_call")
    return ToolCall(id=id_, function=function)


def _result(message: Message, call: ToolCall | None, path: str) -> Message:
    if message.name is None:
        text = f"`{path}.name` is required in a message of the role `function`."
        raise RequestError("missing_parameter", text, param=f"{path}.name")
    if call is None or call.function.name != message.name:
        text = f"`{path}`: the message before it holds no `function_call` of `{message.name[:64]}`."
        _refuse(text, f"{path}.name")
    return msgspec.structs.replace(message, role="tool", tool_call_id=call.id)


def _refuse(text: str, param: str) -> NoReturn:
    raise RequestError("invalid_value", text, param=param)
