"""Accumulates the chunks of a stream into a completion, without knowledge of their fields."""

import copy
from collections.abc import Set
from typing import Any, Final

from forefront.client.decoding import to_completion
from forefront.client.exceptions import APIError
from forefront.wire.completions.response import ChatCompletion

# Each chunk has the whole value of these; other strings arrive in parts.
_WHOLE: Final = frozenset({"role", "id", "type", "name"})


class Accumulator:
    """The completion so far, from chunks as parsed JSON."""

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, chunk: dict[str, Any]) -> None:
        """Add a chunk."""
        for name, value in chunk.items():
            if name not in ("choices", "object") and value is not None:
                self._top[name] = value
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._add_choice(choice)

    def completion(self) -> ChatCompletion:
        """A copy of the completion so far. Raises `APIError` for one that nests too deeply."""
        try:
            return self._copy()
        except RecursionError:
            raise APIError("The completion nests too deeply.") from None

    def _copy(self) -> ChatCompletion:
        choices = [_without_indexes(choice) for _, choice in sorted(self._choices.items())]
        empty = {"role": "assistant", "content": ""}
        return to_completion(
            copy.deepcopy(self._top)
            | {
                "object": "chat.completion",
                "choices": choices,
                "message": choices[0]["message"] if choices else empty,
            }
        )

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        position = index if isinstance(index, int) else 0
        known = self._choices.setdefault(
            position,
            {
                "index": position,
                "message": {"role": "assistant", "content": None},
                "logprobs": None,
                "finish_reason": None,
            },
        )
        rest = {name: value for name, value in choice.items() if name not in ("index", "delta", "message")}
        if isinstance(delta := choice.get("delta"), dict):
            _merge(known["message"], delta, _WHOLE)
        _merge(known, rest, rest.keys())


def _merge(whole: dict[str, Any], delta: dict[str, Any], fixed: Set[str] = _WHOLE) -> None:
    """Merge `delta` into `whole`. Strings are appended, except those named in `fixed`, which are replaced."""
    for name, value in delta.items():
        known = whole.get(name)
        if value is None:
            whole.setdefault(name, None)
        elif isinstance(value, str) and isinstance(known, str) and name not in fixed:
            whole[name] = known + value
        elif isinstance(value, list):
            whole[name] = _extended(known if isinstance(known, list) else [], value)
        elif isinstance(value, dict):
            inner = known if isinstance(known, dict) else {}
            _merge(inner, value)
            whole[name] = inner
        else:
            whole[name] = value


def _extended(items: list[Any], more: list[Any]) -> list[Any]:
    """Merge items that have an index into the item with that index; append the others."""
    for item in more:
        if isinstance(item, dict) and isinstance(index := item.get("index"), int):
            whole = next((other for other in items if isinstance(other, dict) and other.get("index") == index), None)
            if whole is None:
                whole = {"index": index}
                items.append(whole)
            _merge(whole, item)
        else:
            items.append(item)
    return items


def _without_indexes(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice as in a response without streaming: tool calls without index; content unless there are tool calls."""
    result = copy.deepcopy(choice)
    message = result["message"]
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            if isinstance(call, dict):
                call.pop("index", None)
    elif message["content"] is None:
        message["content"] = ""
    return result
