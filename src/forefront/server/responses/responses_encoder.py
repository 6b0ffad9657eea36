"""The responses of `POST /v1/responses`, whole or as typed events."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any, Final, Literal

import msgspec

from forefront.catalog.catalog import ModelUse
from forefront.chat.events import (
    AnswerDelta,
    ChoiceEnd,
    Completed,
    ContentDelta,
    Event,
    Started,
    ToolCallBegin,
    ToolInputDelta,
)
from forefront.server.responses.history import PREFIX
from forefront.server.responses.item_frames import ItemFrames, frame
from forefront.server.responses.output_draft import OutputDraft
from forefront.server.sending.response_encoder import ResponseEncoder
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.completions.response import FinishReason
from forefront.wire.errors import ERRORS, RequestError
from forefront.wire.responses import response as wire
from forefront.wire.responses.chat_request import ParsedResponse
from forefront.wire.responses.events import (
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
    StreamError,
)
from forefront.wire.responses.request import PlainText, ResponsesRequest

_encoder: Final = msgspec.json.Encoder()
Save = Callable[[wire.Response], Awaitable[None]]


class ResponsesEncoder(ResponseEncoder):
    """A response of the Responses API. `queued` is the response that the client has already, without output. `save`
    stores a complete response before its end is sent. `error` is the reason of a stream's failure."""

    def __init__(
        self,
        parsed: ParsedResponse,
        model: ModelUse,
        memory: ResponseMemory,
        *,
        queued: wire.Response | None = None,
        save: Save | None = None,
    ) -> None:
        super().__init__(PREFIX, model, memory)
        if queued is not None:
            self.id, self.created = queued.id, queued.created_at
        source = parsed.source
        self.error: RequestError | None = None
        self._source = source
        self._save = save
        self._last: wire.Response | None = None
        self._output = OutputDraft(
            self.id.removeprefix(PREFIX),
            parsed.tool_names,
            memory,
            summary=source.reasoning is not None and source.reasoning.summary is not None,
            encrypted=source.includes_encrypted_reasoning,
        )
        self._number = count().__next__  # of the next event
        self._frames: list[ItemFrames] = []  # of each item
        self._open: list[ItemFrames] = []  # items that have events to come, the current one last
        self._text: ItemFrames | None = None  # the current item, where that is the only open one and a message
        self._reason: FinishReason | None = None
        self._created = False
        memory.add(source.instructions or "")

    async def whole(self, events: AsyncIterator[Event]) -> wire.Response:
        """See `ResponseEncoder.whole`."""
        response: wire.Response | None = None
        async for event in events:
            match event:
                case ContentDelta():
                    self._output.add(event)
                case Started():
                    pass
                case ChoiceEnd():
                    self._reason = event.reason
                case Completed():
                    await self.finish(event)
                    response = self._final(event)
                case _:
                    self._output.add(event)
        return response or self.response("in_progress")

    async def finish(self, event: Completed) -> None:
        """See `ResponseEncoder.finish`."""
        if self._save is not None:
            await self._save(self._final(event))

    def frames(self, event: Event) -> list[bytes]:
        """See `ResponseEncoder.frames`."""
        message = self._text
        if message is not None and isinstance(event, ContentDelta) and not event.logprobs:
            self.memory.add(event.text)
            return [message.more_text(event.text)]
        match event:
            case Started():
                return self._begin()
            case ChoiceEnd():
                self._reason = event.reason
                return []
            case Completed():
                response = self._final(event)
                ended = [sent for frames in self._open for sent in frames.end()]
                kind = ResponseIncomplete if response.status == "incomplete" else ResponseCompleted
                return [*ended, frame(kind(response=response, sequence_number=self._number()))]
            case _:
                return self._delta(event)

    def failure(self, error: RequestError) -> bytes:
        """See `ResponseEncoder.failure`."""
        self.error = error
        if not self._created:
            event = StreamError(
                code=error.code, message=error.message, param=error.param, sequence_number=self._number()
            )
            return frame(event)
        return frame(ResponseFailed(response=self.failed(error), sequence_number=self._number()))

    def failed(self, error: RequestError) -> wire.Response:
        """The response with the output before an error."""
        self._output.end("incomplete")
        response = self.response("in_progress")
        set_error(response, error)
        return response

    def response(self, status: wire.ResponseStatus) -> wire.Response:
        """The response as it is now."""
        response = new_response(self._source, self.id, self.created, self.model.name, status)
        response.output = [item.to_item() for item in self._output.items]
        return response

    def _begin(self) -> list[bytes]:
        self._created = True
        response: Any = msgspec.Raw(_encoder.encode(self.response("in_progress")))  # both events have it
        created = ResponseCreated(response=response, sequence_number=self._number())
        return [frame(created), frame(ResponseInProgress(response=response, sequence_number=self._number()))]

    def _delta(self, event: AnswerDelta) -> list[bytes]:
        opened: list[bytes] = []
        item = self._output.add(event)
        if item.index == len(self._frames):
            opened += [sent for frames in self._open for sent in frames.end()]
            self._frames.append(ItemFrames(item, self._number))
            self._open = [self._frames[-1]]
            opened += self._frames[-1].begin()
        frames = self._frames[item.index]
        if frames not in self._open:
            self._open.insert(0, frames)  # more of an earlier call: its end is sent again
        self._text = frames if item.kind == "message" and len(self._open) == 1 else None
        match event:
            case ContentDelta():
                opened.append(frames.delta(event.text, event.logprobs))
            case ToolInputDelta():
                opened.append(frames.delta(event.arguments))
            case ToolCallBegin():
                pass
            case _:
                opened.append(frames.delta(event.text))
        return opened

    def _final(self, event: Completed) -> wire.Response:
        if self._last is None:
            self._last = self._finished(event)
        return self._last

    def _finished(self, event: Completed) -> wire.Response:
        cut = self._reason in ("length", "deadline")
        self._output.end("incomplete" if cut else "completed")
        response = self.response("incomplete" if cut else "completed")
        if cut:
            reason = wire.IncompleteDetails(reason="deadline" if self._reason == "deadline" else "max_output_tokens")
            response.incomplete_details = reason
        else:
            response.completed_at = int(time.time())
        response.usage = _usage(event)
        response.receipt = self.receipt(event)
        return response


def new_response(
    source: ResponsesRequest, response_id: str, created: int, model: str, status: wire.ResponseStatus
) -> wire.Response:
    """The response to `source`, without output."""
    return wire.Response(
        id=response_id,
        created_at=created,
        status=status,
        background=source.background is True,
        instructions=source.instructions,
        max_output_tokens=source.max_output_tokens,
        max_tool_calls=source.max_tool_calls,
        model=model,
        output=[],
        parallel_tool_calls=source.parallel_tool_calls is not False,
        previous_response_id=source.previous_response_id,
        conversation=None if source.conversation_id is None else wire.ReturnedConversation(id=source.conversation_id),
        reasoning=_reasoning(source),
        store=source.store is True,
        temperature=1.0 if source.temperature is None else source.temperature,
        text=wire.ReturnedText(format=(source.text and source.text.format) or PlainText()),
        tool_choice=source.tool_choice or "auto",
        tools=source.tools or [],
        top_logprobs=source.top_logprobs or 0,
        top_p=1.0 if source.top_p is None else source.top_p,
        presence_penalty=source.presence_penalty or 0.0,
        frequency_penalty=source.frequency_penalty or 0.0,
        user=source.user,
        safety_identifier=source.safety_identifier,
        prompt_cache_key=source.prompt_cache_key,
        metadata=source.metadata or {},
    )


def set_error(response: wire.Response, error: RequestError) -> None:
    """The response has failed with that error, or was cancelled."""
    if error.code == "request_cancelled":
        response.status = "cancelled"
        return
    response.status = "failed"
    response.error = wire.ResponseError(code=_failure_code(error), message=error.message)


def _reasoning(source: ResponsesRequest) -> wire.ReturnedReasoning:
    if source.reasoning is None:
        return wire.ReturnedReasoning()
    return wire.ReturnedReasoning(effort=source.reasoning.effort, summary=source.reasoning.summary)


def _usage(event: Completed) -> wire.ResponseUsage:
    return wire.ResponseUsage(
        input_tokens=event.prompt_tokens,
        input_tokens_details=wire.InputTokensDetails(cached_tokens=event.cached_tokens),
        output_tokens=event.completion_tokens,
        output_tokens_details=wire.OutputTokensDetails(reasoning_tokens=event.reasoning_tokens),
        total_tokens=event.prompt_tokens + event.completion_tokens,
    )


def _failure_code(error: RequestError) -> Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]:
    status = ERRORS[error.code].status
    return "rate_limit_exceeded" if status == 429 else "server_error" if status >= 500 else "invalid_prompt"
