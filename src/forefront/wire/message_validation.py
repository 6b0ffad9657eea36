"""What must hold between the messages of a conversation."""

from collections.abc import Sequence
from typing import NoReturn

import msgspec

from forefront.wire.errors import ApiError
from forefront.wire.message import Message


def check_conversation(messages: Sequence[Message]) -> None:
    """Raises `ApiError` (400, 422) for a message without content, and for results and calls that do not belong."""
    calls: dict[str, bool] = {}  # of the last message that made any: id → whether its result has come
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message.content is None and not (message.role == "assistant" and message.tool_calls):
            raise ApiError("missing_parameter", f"`{path}.content` is required.", param=f"{path}.content")
        if message.role == "tool":
            _check_result(message, calls, path)
            continue
        if message.tool_call_id is not None:
            _refuse(f"Only messages of the role `tool` have a `tool_call_id`, not {path}.", f"{path}.tool_call_id")
        if message.tool_calls and message.role != "assistant":
            _refuse(f"Only messages of the assistant have `tool_calls`, not {path}.", f"{path}.tool_calls")
        calls = _calls(message, path)


def _check_result(message: Message, calls: dict[str, bool], path: str) -> None:
    """Mark the call whose result a message holds."""
    param, id_ = f"{path}.tool_call_id", message.tool_call_id
    if id_ is None:
        raise ApiError("missing_parameter", f"`{param}` is required in a message of the role `tool`.", param=param)
    if id_ not in calls:
        _refuse(f"`{param}`: the last message of the assistant made no call of the id `{id_[:64]}`.", param)
    if calls[id_]:
        _refuse(f"`{param}`: the call `{id_[:64]}` has its result already.", param)
    calls[id_] = True


def _calls(message: Message, path: str) -> dict[str, bool]:
    """The calls that a message makes, each without a result yet."""
    calls: dict[str, bool] = {}
    for number, call in enumerate(message.tool_calls or ()):
        where = f"{path}.tool_calls[{number}]"
        if call.id in calls:
            _refuse(f"`{where}.id`: there is a call of the id `{call.id[:64]}` already.", f"{where}.id")
        calls[call.id] = False
        if not is_json_object(call.function.arguments):
            param = f"{where}.function.arguments"
            _refuse(f"`{param}` must be the text of a JSON object.", param)
    return calls


def is_json_object(text: str) -> bool:
    """Whether a call's arguments can be read. An empty text stands for no arguments."""
    try:
        return not text.strip() or isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False


def _refuse(text: str, param: str) -> NoReturn:
    raise ApiError("invalid_value", text, param=param)
