"""From the deltas of an upstream's tool calls to the events of one choice."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from forefront.chat.events import Event, ToolCallBegin, ToolInputDelta
from forefront.chat.tools.custom_calls import TextArgument
from forefront.upstream.decoding.chunk import CallDelta
from forefront.upstream.decoding.errors import MalformedAnswerError

_MAX_CALLS: Final = 1024  # of one choice


@dataclass(slots=True)
class _Call:
    """A tool call: its number among those with a name, the id that the upstream gave it, and the arguments that came
    before its name."""

    number: int = 0
    id: str | None = None
    name: str = ""
    held: str = ""
    size: int = 0
    text: TextArgument | None = None


class ToolCallDecoder:
    """Decodes the tool calls of choice `index`. `custom_tools` are functions at the upstream and custom tools here."""

    def __init__(self, index: int, custom_tools: Collection[str]) -> None:
        self._index = index
        self._custom_tools = custom_tools
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}  # by the upstream's numbers
        self._begun = 0

    def decode(self, delta: CallDelta, count: Callable[[str], None]) -> Iterator[Event]:
        """The events of one delta. `count` is called with each text. Raises `MalformedAnswerError`."""
        name, arguments, custom = _function(delta)
        call = self._find(delta, name)
        if name and not call.name:
            call.name, call.number = name, self._begun
            self._begun += 1
            wrapped = not custom and name in self._custom_tools
            call.text = TextArgument() if wrapped else None
            count(name)
            yield ToolCallBegin(self._index, call.number, name, custom=custom or wrapped)
            custom = custom or wrapped
            arguments, call.held = call.held + arguments, ""
        elif not call.name:
            call.held += arguments
            count(arguments)
            return
        if arguments:
            call.size += len(arguments)
            count(arguments)
            if call.text is not None:
                arguments = call.text.feed(arguments)
            if arguments:
                yield ToolInputDelta(self._index, call.number, arguments, custom=custom or call.text is not None)

    def end(self) -> Iterator[Event]:
        """The events at the end of the choice. Raises `MalformedAnswerError` for a call without a name."""
        if any(not call.name for call in self._calls):
            raise MalformedAnswerError("it sends a tool call without a name")
        for call in self._calls:
            if not call.size and call.text is None:
                yield ToolInputDelta(self._index, call.number, "{}")  # clients parse the arguments as JSON

    def _find(self, delta: CallDelta, name: str) -> _Call:
        """The call that a delta belongs to. Some servers omit indices, and some give all complete calls the same
        index."""
        call: _Call | None
        if delta.index is not None:
            call = self._by_index.get(delta.index)
            if call is not None and not (name and _differs(call, delta, name)):
                return call
        elif self._calls and not name and (not delta.id or delta.id == self._calls[-1].id):
            return self._calls[-1]
        elif delta.id and (call := next((known for known in self._calls if known.id == delta.id), None)) is not None:
            return call
        if len(self._calls) == _MAX_CALLS:
            raise MalformedAnswerError(f"it makes more than {_MAX_CALLS} tool calls")
        call = _Call(id=delta.id)
        self._calls.append(call)
        if delta.index is not None:
            self._by_index[delta.index] = call
        return call


def _function(delta: CallDelta) -> tuple[str, str, bool]:
    """The name and the arguments of a call's delta, and whether it is of a custom tool."""
    if delta.custom is not None:
        return delta.custom.name or "", delta.custom.input or "", True
    if delta.function is None:
        return "", "", False
    arguments = delta.function.arguments
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    return delta.function.name or "", arguments or "", False


def _differs(call: _Call, delta: CallDelta, name: str) -> bool:
    """Whether a delta with the index of a call belongs to another call."""
    if delta.id and call.id is not None and delta.id != call.id:
        return True
    return bool(call.name) and call.name != name
