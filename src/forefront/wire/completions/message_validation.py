"""Rules between the messages of a conversation."""

from collections.abc import Sequence
from typing import NoReturn

from forefront.wire.completions.media import check_media
from forefront.wire.completions.message import Message
from forefront.wire.errors import RequestError


def check_conversation(messages: Sequence[Message]) -> None:
    """Raises `RequestError` (400, 422) for a message without content, and for results and calls that do not match.

    A turn of the assistant may be empty, since histories hold turns that ended before any text. Arguments of calls are
    not checked: a history may hold calls that were cut off.
    """
    has_media = False
    pending: dict[str, bool] = {}  # of the last message with calls: id → whether its result is known
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message.content is None and message.role != "assistant":
            raise RequestError("missing_parameter", f"`{path}.content` is required.", param=f"{path}.content")
        if message.has_media:
            has_media = True
            if message.role != "user":
                _refuse(f"Only messages of the user have parts other than text, not {path}.", f"{path}.content")
        if message.role == "tool":
            _check_result(message, pending, path)
            continue
        if message.tool_call_id is not None:
            _refuse(f"Only messages of the role `tool` have a `tool_call_id`, not {path}.", f"{path}.tool_call_id")
        if message.tool_calls and message.role != "assistant":
            _refuse(f"Only messages of the assistant have `tool_calls`, not {path}.", f"{path}.tool_calls")
        pending = _calls(message, path)
    if has_media:
        check_media(messages)


def _check_result(message: Message, pending: dict[str, bool], path: str) -> None:
    """Mark the call whose result a message holds."""
    param, id_ = f"{path}.tool_call_id", message.tool_call_id
    if id_ is None:
        raise RequestError("missing_parameter", f"`{param}` is required in a message of the role `tool`.", param=param)
    if id_ not in pending:
        _refuse(f"`{param}`: the last message of the assistant made no call of the id `{id_[:64]}`.", param)
    if pending[id_]:
        _refuse(f"`{param}`: the call `{id_[:64]}` has its result already.", param)
    pending[id_] = True


def _calls(message: Message, path: str) -> dict[str, bool]:
    """The calls of a message, each without a result yet."""
    calls: dict[str, bool] = {}
    for number, call in enumerate(message.tool_calls or ()):
        if call.id in calls:
            param = f"{path}.tool_calls[{number}].id"
            _refuse(f"`{param}`: there is a call of the id `{call.id[:64]}` already.", param)
        calls[call.id] = False
    return calls


def _refuse(text: str, param: str) -> NoReturn:
    raise RequestError("invalid_value", text, param=param)
