"""Arguments of calls in a history: clients that keep them as objects send them back as objects."""

import json
from typing import Any

from forefront.wire.errors import RequestError


def write_call_arguments(messages: Any) -> None:
    """In the messages of a chat request, write each object of arguments as its text. Other values stay, for the
    checks of types. Raises `RequestError` 400 for an object that nests too deep."""
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict):
            continue
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                write_arguments(call.get("function"))
        write_arguments(message.get("function_call"))


def write_arguments(function: Any) -> None:
    """Write the `arguments` of one call as text, if they are an object. Raises `RequestError` 400."""
    if isinstance(function, dict) and isinstance(arguments := function.get("arguments"), dict):
        try:
            function["arguments"] = json.dumps(arguments, ensure_ascii=False)
        except RecursionError:
            raise RequestError("invalid_json", "Invalid JSON: it nests too deep.") from None
