"""The responses of `POST /v1/messages`, whole or as typed events."""

from collections.abc import AsyncIterator
from typing import Final

from forefront.catalog.catalog import ModelUse
from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Event, Started
from forefront.server.messages.block_frames import BlockFrames, frame
from forefront.server.messages.content_draft import ContentDraft
from forefront.server.sending.response_encoder import ResponseEncoder
from forefront.server.sending.response_memory import ResponseMemory
from forefront.server.sending.sse import encode_waiting
from forefront.wire.completions.response import FinishReason
from forefront.wire.errors import RequestError
from forefront.wire.messages.chat_request import ParsedMessage
from forefront.wire.messages.errors import error_object
from forefront.wire.messages.events import ErrorEvent, MessageDelta, MessageStart, MessageStop, Ping, StopState
from forefront.wire.messages.response import AssistantMessage, MessageUsage, StopReason

_PREFIX: Final = "msg_"
_REASONS: Final[dict[FinishReason, StopReason]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "deadline": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_PING: Final = frame(Ping())
_STOP: Final = frame(MessageStop())


class MessageEncoder(ResponseEncoder):
    """A message of the assistant."""

    def __init__(self, parsed: ParsedMessage, model: ModelUse, memory: ResponseMemory) -> None:
        super().__init__(_PREFIX, model, memory)
        self._omits_thinking = parsed.omits_thinking
        self._frames = BlockFrames(self._id_suffix, memory, omits_thinking=parsed.omits_thinking)
        self._end: ChoiceEnd | None = None

    @property
    def _id_suffix(self) -> str:
        return self.id.removeprefix(_PREFIX)

    async def whole(self, events: AsyncIterator[Event]) -> AssistantMessage:
        """See `ResponseEncoder.whole`."""
        draft = ContentDraft(self._id_suffix, self.memory, omits_thinking=self._omits_thinking)
        message = self._message(MessageUsage.of(0, 0))
        async for event in events:
            match event:
                case ContentDelta():
                    draft.add(event)
                case Started():
                    pass
                case ChoiceEnd():
                    self._end = event
                case Completed():
                    message.usage, message.receipt = _usage(event), self.receipt(event)
                case _:
                    draft.add(event)
        stop = self._stop()
        message.content = draft.blocks()
        message.stop_reason, message.stop_sequence = stop.stop_reason, stop.stop_sequence
        return message

    def frames(self, event: Event) -> list[bytes]:
        """See `ResponseEncoder.frames`."""
        match event:
            case ContentDelta():
                return self._frames.add(event)
            case Started():
                usage = MessageUsage.of(event.prompt_tokens, event.cached_tokens)
                return [frame(MessageStart(message=self._message(usage)))]
            case ChoiceEnd():
                self._end = event
                return []
            case Completed():
                delta = MessageDelta(delta=self._stop(), usage=_usage(event), receipt=self.receipt(event))
                return [*self._frames.end(), frame(delta), _STOP]
            case _:
                return self._frames.add(event)

    def pause(self, ahead: int, seconds: float) -> bytes:
        """See `ResponseEncoder.pause`."""
        return encode_waiting(ahead, seconds) + _PING

    def failure(self, error: RequestError) -> bytes:
        """See `ResponseEncoder.failure`."""
        return frame(ErrorEvent(error=error_object(error)))

    def _message(self, usage: MessageUsage) -> AssistantMessage:
        return AssistantMessage(id=self.id, model=self.model.name, content=[], usage=usage)

    def _stop(self) -> StopState:
        """The reason for the end of the message."""
        end = self._end
        if end is not None and end.reason == "stop" and end.stop_string is not None:
            return StopState(stop_reason="stop_sequence", stop_sequence=end.stop_string)
        return StopState(stop_reason="end_turn" if end is None else _REASONS.get(end.reason, "end_turn"))


def _usage(event: Completed) -> MessageUsage:
    return MessageUsage.of(event.prompt_tokens, event.cached_tokens, event.completion_tokens, event.reasoning_tokens)
