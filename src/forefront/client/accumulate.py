"""From the chunks of a stream to the completion that they make, without knowing their fields."""

import copy
from collections.abc import Set
from typing import Any, Final

from forefront.client.decoding import completion_of
from forefront.wire.response import ChatCompletion

# Said whole, though maybe more than once; other texts come in pieces.
_WHOLE: Final = frozenset({"role", "id", "type", "name"})


class Accumulator:
    """Takes in chunks as their JSON came; knows the completion so far."""

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, chunk: dict[str, Any]) -> None:
        """Take in one chunk."""
        for name, value in chunk.items():
            if name not in ("choices", "object") and value is not None:
                self._top[name] = value
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._add_choice(choice)

    def completion(self) -> ChatCompletion:
        """What there is so far, as an object of its own: later chunks do not change it."""
        choices = [_finished(choice) for _, choice in sorted(self._choices.items())]
        silent = {"role": "assistant", "content": ""}
        return completion_of(
            copy.deepcopy(self._top)
            | {
                "object": "chat.completion",
                "choices": choices,
                "message": choices[0]["message"] if choices else silent,
            }
        )

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        place = index if isinstance(index, int) else 0
        known = self._choices.setdefault(
            place,
            {
                "index": place,
                "message": {"role": "assistant", "content": None},
                "logprobs": None,
                "finish_reason": None,
            },
        )
        rest = {name: value for name, value in choice.items() if name not in ("index", "delta")}
        if isinstance(delta := choice.get("delta"), dict):
            _merge(known["message"], delta, _WHOLE)
        _merge(known, rest, rest.keys())


def _merge(whole: dict[str, Any], delta: dict[str, Any], fixed: Set[str] = _WHOLE) -> None:
    """Add what `delta` says to `whole`; of the `fixed` texts, the last stands."""
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
    """Items that bear an index belong to the item with that index; others are further ones."""
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


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice as an unstreamed answer has it: calls without their index, and content unless there are calls."""
    made = copy.deepcopy(choice)
    message = made["message"]
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            if isinstance(call, dict):
                call.pop("index", None)
    elif message["content"] is None:
        message["content"] = ""
    return made
