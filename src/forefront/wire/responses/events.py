"""The events of a response's stream. `sequence_number` counts them from 0."""

from forefront.wire.completions.response import TokenLogprob
from forefront.wire.record import TaggedRecord
from forefront.wire.responses.response import (
    OutputItem,
    OutputReasoningText,
    OutputSummaryText,
    OutputText,
    Response,
)


class StateEvent(TaggedRecord, kw_only=True):
    """The response has a new state."""

    response: Response
    sequence_number: int


class ResponseQueued(StateEvent, kw_only=True, tag="response.queued"):
    """The response waits in the background."""


class ResponseCreated(StateEvent, kw_only=True, tag="response.created"):
    """The input has been read."""


class ResponseInProgress(StateEvent, kw_only=True, tag="response.in_progress"):
    """The model generates the output."""


class ResponseCompleted(StateEvent, kw_only=True, tag="response.completed"):
    """The response is complete. The last event."""


class ResponseIncomplete(StateEvent, kw_only=True, tag="response.incomplete"):
    """The response was cut off at a limit. The last event."""


class ResponseFailed(StateEvent, kw_only=True, tag="response.failed"):
    """The response has failed. The last event."""


class ItemEvent(TaggedRecord, kw_only=True):
    """A change of an item of the output."""

    output_index: int
    item: OutputItem
    sequence_number: int


class OutputItemAdded(ItemEvent, kw_only=True, tag="response.output_item.added"):
    """An item begins, without its text."""


class OutputItemDone(ItemEvent, kw_only=True, tag="response.output_item.done"):
    """An item is complete."""


class ContentEvent(TaggedRecord, kw_only=True):
    """A change within a part of an item. Each item has one part."""

    item_id: str
    output_index: int
    content_index: int = 0


class ContentPartAdded(ContentEvent, kw_only=True, tag="response.content_part.added"):
    """A part begins, without its text."""

    part: OutputText | OutputReasoningText
    sequence_number: int


class ContentPartDone(ContentEvent, kw_only=True, tag="response.content_part.done"):
    """A part is complete."""

    part: OutputText | OutputReasoningText
    sequence_number: int


class OutputTextDelta(ContentEvent, kw_only=True, tag="response.output_text.delta"):
    """More text."""

    logprobs: list[TokenLogprob]
    delta: str
    sequence_number: int


class OutputTextDone(ContentEvent, kw_only=True, tag="response.output_text.done"):
    """The whole text."""

    logprobs: list[TokenLogprob]
    text: str
    sequence_number: int


class ReasoningTextDelta(ContentEvent, kw_only=True, tag="response.reasoning_text.delta"):
    """More reasoning."""

    delta: str
    sequence_number: int


class ReasoningTextDone(ContentEvent, kw_only=True, tag="response.reasoning_text.done"):
    """The whole reasoning."""

    text: str
    sequence_number: int


class SummaryEvent(TaggedRecord, kw_only=True):
    """A change within reasoning that is sent as a summary."""

    item_id: str
    output_index: int
    summary_index: int = 0


class SummaryPartAdded(SummaryEvent, kw_only=True, tag="response.reasoning_summary_part.added"):
    """A part begins, without its text."""

    part: OutputSummaryText
    sequence_number: int


class SummaryPartDone(SummaryEvent, kw_only=True, tag="response.reasoning_summary_part.done"):
    """A part is complete."""

    part: OutputSummaryText
    sequence_number: int


class SummaryTextDelta(SummaryEvent, kw_only=True, tag="response.reasoning_summary_text.delta"):
    """More reasoning."""

    delta: str
    sequence_number: int


class SummaryTextDone(SummaryEvent, kw_only=True, tag="response.reasoning_summary_text.done"):
    """The whole reasoning."""

    text: str
    sequence_number: int


class CallEvent(TaggedRecord, kw_only=True):
    """A change within a call."""

    item_id: str
    output_index: int


class FunctionArgumentsDelta(CallEvent, kw_only=True, tag="response.function_call_arguments.delta"):
    """More of the arguments."""

    delta: str
    sequence_number: int


class FunctionArgumentsDone(CallEvent, kw_only=True, tag="response.function_call_arguments.done"):
    """All arguments."""

    name: str
    arguments: str
    sequence_number: int


class CustomInputDelta(CallEvent, kw_only=True, tag="response.custom_tool_call_input.delta"):
    """More of a custom tool's text."""

    delta: str
    sequence_number: int


class CustomInputDone(CallEvent, kw_only=True, tag="response.custom_tool_call_input.done"):
    """The whole text of a custom tool."""

    input: str
    sequence_number: int


class StreamError(TaggedRecord, kw_only=True, tag="error"):
    """An error before the response was created. The last event."""

    code: str | None
    message: str
    param: str | None = None
    sequence_number: int


FinalEvent = ResponseCompleted | ResponseIncomplete | ResponseFailed
ResponseStreamEvent = (
    ResponseQueued | ResponseCreated | ResponseInProgress | FinalEvent | OutputItemAdded | OutputItemDone
    | ContentPartAdded | ContentPartDone | OutputTextDelta | OutputTextDone | ReasoningTextDelta | ReasoningTextDone
    | SummaryPartAdded | SummaryPartDone | SummaryTextDelta | SummaryTextDone | FunctionArgumentsDelta
    | FunctionArgumentsDone | CustomInputDelta | CustomInputDone | StreamError
)  # fmt: skip
