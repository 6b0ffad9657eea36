"""The stream events of one output item: its beginning, its deltas and its end."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec

from forefront.server.responses.output_draft import ItemDraft
from forefront.wire.completions.response import TokenLogprob
from forefront.wire.record import TaggedRecord
from forefront.wire.responses import events
from forefront.wire.responses.response import OutputReasoningText, OutputSummaryText, OutputText

_encode: Final = msgspec.json.Encoder().encode
_END: Final = b'"","sequence_number":0}'
Number = Callable[[], int]


def frame(event: TaggedRecord) -> bytes:
    """One event, with its type as the event's name."""
    return b"%b%b\n\n" % (_head(event.__class__), _encode(event))


@cache
def _head(kind: type[TaggedRecord]) -> bytes:
    """The bytes before the JSON of events of that class."""
    return f"event: {kind.__struct_config__.tag}\ndata: ".encode()


class ItemFrames:
    """The events of an item. `number` gives the next sequence number.

    All deltas of an item have the same bytes but for their text and number, so they are encoded once.
    """

    def __init__(self, item: ItemDraft, number: Number) -> None:
        self._item = item
        self._number = number
        self._place: dict[str, Any] = {"item_id": item.id, "output_index": item.index}
        encoded = frame(_delta_event(item, self._place)).removesuffix(b"\n\n")
        assert encoded.endswith(_END)
        self._delta = encoded.removesuffix(_END)

    def begin(self) -> list[bytes]:
        """The events that open the item."""
        item = self._item.without_text().to_item()
        added = events.OutputItemAdded(output_index=self._item.index, item=item, sequence_number=self._number())
        return [frame(added), *self._part(done=False)]

    def more_text(self, text: str) -> bytes:
        """Add text without log-probabilities to the item. Its event."""
        self._item.texts.append(text)
        return b'%b%b,"sequence_number":%d}\n\n' % (self._delta, _encode(text), self._number())

    def delta(self, text: str, logprobs: list[TokenLogprob] | None = None) -> bytes:
        """The event of more text."""
        number = self._number()
        if logprobs:
            return frame(events.OutputTextDelta(**self._place, logprobs=logprobs, delta=text, sequence_number=number))
        return b'%b%b,"sequence_number":%d}\n\n' % (self._delta, _encode(text), number)

    def end(self) -> list[bytes]:
        """The events that close the item."""
        item, text = self._item, self._item.text
        done: Any
        match item.kind:
            case "message":
                done = events.OutputTextDone(
                    **self._place, logprobs=item.logprobs, text=text, sequence_number=self._number()
                )
            case "reasoning":
                done = events.ReasoningTextDone(**self._place, text=text, sequence_number=self._number())
            case "summary":
                done = events.SummaryTextDone(**self._place, text=text, sequence_number=self._number())
            case "function_call":
                done = events.FunctionArgumentsDone(
                    **self._place, name=item.name, arguments=text, sequence_number=self._number()
                )
            case "custom_tool_call":
                done = events.CustomInputDone(**self._place, input=text, sequence_number=self._number())
        parts = self._part(done=True)
        last = events.OutputItemDone(
            output_index=item.index,
            item=item.to_item(),
            sequence_number=self._number(),
        )
        return [frame(done), *parts, frame(last)]

    def _part(self, *, done: bool) -> list[bytes]:
        """The event that opens or closes the only part of the item, if it has parts."""
        item, text = self._item, self._item.text if done else ""
        kind: type[events.ContentPartAdded | events.ContentPartDone]
        kind = events.ContentPartDone if done else events.ContentPartAdded
        match item.kind:
            case "message":
                part = OutputText(text=text, logprobs=item.logprobs if done else [])
                event: Any = kind(**self._place, part=part, sequence_number=self._number())
            case "reasoning":
                event = kind(**self._place, part=OutputReasoningText(text=text), sequence_number=self._number())
            case "summary":
                summary = events.SummaryPartDone if done else events.SummaryPartAdded
                event = summary(**self._place, part=OutputSummaryText(text=text), sequence_number=self._number())
            case _:
                return []
        return [frame(event)]


def _delta_event(item: ItemDraft, place: dict[str, Any]) -> Any:
    """A delta without text, numbered 0."""
    match item.kind:
        case "message":
            return events.OutputTextDelta(**place, logprobs=[], delta="", sequence_number=0)
        case "reasoning":
            return events.ReasoningTextDelta(**place, delta="", sequence_number=0)
        case "summary":
            return events.SummaryTextDelta(**place, delta="", sequence_number=0)
        case "function_call":
            return events.FunctionArgumentsDelta(**place, delta="", sequence_number=0)
        case "custom_tool_call":
            return events.CustomInputDelta(**place, delta="", sequence_number=0)
