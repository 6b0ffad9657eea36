"""The responses of `POST /v1/chat/completions`: messages with text, reasoning and tool calls."""

import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from forefront.catalog.catalog import ModelUse
from forefront.chat.events import (
    ChoiceEnd,
    Completed,
    ContentDelta,
    Event,
    ReasoningDelta,
    Started,
    ToolCallBegin,
    ToolInputDelta,
)
from forefront.server.sending.response_encoder import ChunkEncoder, usage_of
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.completions.request import ChatRequest
from forefront.wire.completions.response import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    FinishReason,
    OpeningDelta,
    ResponseMessage,
    Usage,
)
from forefront.wire.completions.tools import (
    CustomCall,
    CustomCallDelta,
    FunctionCall,
    FunctionCallDelta,
    ToolCall,
    ToolCallDelta,
)


class ChatCompletionEncoder(ChunkEncoder):
    """A chat completion, whole or in chunks."""

    def __init__(self, request: ChatRequest, model: ModelUse, memory: ResponseMemory) -> None:
        super().__init__("chatcmpl-", model, memory, include_usage=request.include_usage)
        self._count = request.n or 1
        self._logprobs = bool(request.logprobs)
        self._legacy = request.functions is not None

    async def whole(self, events: AsyncIterator[Event]) -> ChatCompletion:
        """See `ResponseEncoder.whole`."""
        drafts = [_Draft(self.memory) for _ in range(self._count)]
        usage, receipt = Usage.of(0, 0, 0), None
        async for event in events:
            match event:
                case Completed():
                    usage, receipt = usage_of(event), self.receipt(event)
                case Started():
                    self.start(event)
                case _:
                    drafts[event.index].add(event)
        choices = [draft.choice(index, self._logprobs) for index, draft in enumerate(drafts)]
        if self._legacy:
            for choice in choices:
                _make_legacy(choice)
        return ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.model.name,
            system_fingerprint=self.fingerprint,
            choices=choices,
            usage=usage,
            message=choices[0].message,
            receipt=receipt,
        )

    def deltas(self, event: Event) -> list[ChatCompletionChunk]:
        """See `ChunkEncoder.deltas`."""
        match event:
            case ContentDelta():
                logprobs = None if event.logprobs is None else ChoiceLogprobs(content=event.logprobs)
                return [self._chunk(event.index, ChoiceDelta(content=event.text), logprobs)]
            case Started():
                # The role comes first, in a chunk of its own, for every choice.
                opening = OpeningDelta(role="assistant", content="")
                return [self._chunk(index, opening) for index in range(self._count)]
            case ReasoningDelta():
                delta = ChoiceDelta(reasoning_content=event.text, reasoning=event.text)
                return [self._chunk(event.index, delta)]
            case ToolCallBegin() | ToolInputDelta() if self._legacy:
                return self._legacy_call(event)
            case ToolCallBegin():
                call = ToolCallDelta(index=event.call, id=_call_id(), type="custom" if event.custom else "function")
                if event.custom:
                    call.custom = CustomCallDelta(name=event.name, input="")
                else:
                    call.function = FunctionCallDelta(name=event.name, arguments="")
                return [self._chunk(event.index, ChoiceDelta(tool_calls=[call]))]
            case ToolInputDelta():
                call = ToolCallDelta(index=event.call)
                if event.custom:
                    call.custom = CustomCallDelta(input=event.arguments)
                else:
                    call.function = FunctionCallDelta(arguments=event.arguments)
                return [self._chunk(event.index, ChoiceDelta(tool_calls=[call]))]
        return []

    def end(self, event: ChoiceEnd) -> ChatCompletionChunk:
        """See `ChunkEncoder.end`."""
        reason = _legacy_reason(event.reason) if self._legacy else event.reason
        return self._chunk(event.index, ChoiceDelta(), reason=reason)

    def usage_chunk(self, usage: Usage) -> ChatCompletionChunk:
        """See `ChunkEncoder.usage_chunk`."""
        return self._message([], usage)

    def _legacy_call(self, event: ToolCallBegin | ToolInputDelta) -> list[ChatCompletionChunk]:
        """A part of the one call of an answer to a request with `functions`."""
        if event.call:
            return []
        if isinstance(event, ToolCallBegin):
            call = FunctionCallDelta(name=event.name, arguments="")
        else:
            call = FunctionCallDelta(arguments=event.arguments)
        return [self._chunk(event.index, ChoiceDelta(function_call=call))]

    def _chunk(
        self,
        index: int,
        delta: ChoiceDelta,
        logprobs: ChoiceLogprobs | None = None,
        reason: FinishReason | None = None,
    ) -> ChatCompletionChunk:
        return self._message([ChunkChoice(index=index, delta=delta, logprobs=logprobs, finish_reason=reason)])

    def _message(self, choices: list[ChunkChoice], usage: Usage | None = None) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self.id,
            object="chat.completion.chunk",
            created=self.created,
            model=self.model.name,
            system_fingerprint=self.fingerprint,
            choices=choices,
            usage=usage,
        )


class _Draft(msgspec.Struct):
    """A choice whose events are being collected."""

    memory: ResponseMemory
    texts: list[str] = msgspec.field(default_factory=list)
    reasoning: list[str] = msgspec.field(default_factory=list)
    calls: list[tuple[ToolCallBegin, list[str]]] = msgspec.field(default_factory=list)
    logprobs: list[Any] = msgspec.field(default_factory=list)  # as JSON
    reason: FinishReason | None = None

    def add(self, event: ContentDelta | ReasoningDelta | ToolCallBegin | ToolInputDelta | ChoiceEnd) -> None:
        match event:
            case ContentDelta():
                self.texts.append(event.text)
                self.memory.add(event.text)
                if event.logprobs:
                    self.logprobs += self.memory.encode(event.logprobs)
            case ReasoningDelta():
                self.reasoning.append(event.text)
                self.memory.add(event.text)
            case ToolCallBegin():
                self.calls.append((event, []))
                self.memory.add(event.name)
            case ToolInputDelta():
                self.calls[event.call][1].append(event.arguments)
                self.memory.add(event.arguments)
            case ChoiceEnd():
                self.reason = event.reason

    def choice(self, index: int, logprobs: bool) -> Choice:
        text = "".join(self.texts)
        reasoning = "".join(self.reasoning) or None
        message = ResponseMessage(
            role="assistant",
            content=None if self.calls and not text else text,
            tool_calls=_tool_calls(self.calls) or None,
            reasoning_content=reasoning,
            reasoning=reasoning,
        )
        collected = ChoiceLogprobs(content=self.logprobs) if logprobs else None
        return Choice(index=index, message=message, logprobs=collected, finish_reason=self.reason)


def _make_legacy(choice: Choice) -> None:
    """Rewrite a choice for a request with `functions`: its first call is `function_call`."""
    message = choice.message
    if message.tool_calls:
        message.function_call, message.tool_calls = message.tool_calls[0].function, None
    choice.finish_reason = _legacy_reason(choice.finish_reason)


def _legacy_reason(reason: FinishReason | None) -> FinishReason | None:
    return "function_call" if reason == "tool_calls" else reason


def _tool_calls(calls: Sequence[tuple[ToolCallBegin, list[str]]]) -> list[ToolCall]:
    return [
        ToolCall(id=_call_id(), type="custom", custom=CustomCall(name=begin.name, input="".join(texts)))
        if begin.custom
        else ToolCall(id=_call_id(), function=FunctionCall(name=begin.name, arguments="".join(texts)))
        for begin, texts in calls
    ]


def _call_id() -> str:
    return "call_" + secrets.token_hex(12)
