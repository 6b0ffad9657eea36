"""A backend's events, as the two things that are sent: one whole completion, or a stream of chunks."""

import secrets
import time
from collections.abc import AsyncIterator

from forefront.catalog.catalog import ServedModel
from forefront.chat.events import ChoiceEnd, Completed, Event, Started, TextDelta
from forefront.wire.request import ChatRequest
from forefront.wire.response import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    FinishReason,
    Receipt,
    ResponseMessage,
    TokenLogprob,
    Usage,
)


class Completion:
    """One answer to one request: its id, its model, and how its events are spelled."""

    def __init__(self, request: ChatRequest, model: ServedModel) -> None:
        self.id = "chatcmpl-" + secrets.token_hex(12)
        self.created = int(time.time())
        self._request = request
        self._model = model
        self._last_end: ChatCompletionChunk | None = None

    async def whole(self, events: AsyncIterator[Event]) -> ChatCompletion:
        """Wait for every event; the completion that they make."""
        count = self._request.n or 1
        texts: list[list[str]] = [[] for _ in range(count)]
        logprobs: list[list[TokenLogprob]] = [[] for _ in range(count)]
        reasons: list[FinishReason | None] = [None] * count
        usage, receipt = Usage.of(0, 0, 0), None
        async for event in events:
            match event:
                case TextDelta():
                    texts[event.index].append(event.text)
                    logprobs[event.index] += event.logprobs or ()
                case ChoiceEnd():
                    reasons[event.index] = event.reason
                case Completed():
                    usage, receipt = _usage(event), self._receipt(event)
        choices = [
            Choice(
                index=index,
                message=ResponseMessage(role="assistant", content="".join(texts[index])),
                logprobs=ChoiceLogprobs(content=logprobs[index]) if self._request.logprobs else None,
                finish_reason=reasons[index],
            )
            for index in range(count)
        ]
        return ChatCompletion(
            id=self.id,
            created=self.created,
            model=self._model.name,
            system_fingerprint=self._model.fingerprint,
            choices=choices,
            usage=usage,
            message=choices[0].message,
            receipt=receipt,
        )

    def chunks(self, event: Event) -> list[ChatCompletionChunk]:
        """What one event adds to the stream. The end of a choice waits for what follows it: the last chunk of all
        carries the receipt."""
        held, self._last_end = self._last_end, None
        before = [] if held is None else [held]
        match event:
            case Started():
                # The role comes first and by itself, for every choice.
                opening = ChoiceDelta(role="assistant", content="")
                return before + [self._chunk(index, opening) for index in range(self._request.n or 1)]
            case TextDelta():
                logprobs = None if event.logprobs is None else ChoiceLogprobs(content=event.logprobs)
                return [*before, self._chunk(event.index, ChoiceDelta(content=event.text), logprobs)]
            case ChoiceEnd():
                self._last_end = self._chunk(event.index, ChoiceDelta(), reason=event.reason)
                return before
            case Completed():
                options = self._request.stream_options
                if options is not None and options.include_usage:
                    before.append(self._message([], _usage(event)))
                if before:
                    before[-1].receipt = self._receipt(event)
                return before

    def _receipt(self, event: Completed) -> Receipt | None:
        build, work = self._model.build, event.work
        if work is None:
            return None
        return Receipt(
            weights=build.weights,
            quantization=build.quantization,
            engine=build.engine,
            sampling=work.sampling,
            queue_ms=_milliseconds(work.queue),
            prefill_ms=_milliseconds(work.prefill),
            decode_ms=_milliseconds(work.decode),
        )

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
            model=self._model.name,
            system_fingerprint=self._model.fingerprint,
            choices=choices,
            usage=usage,
        )


def _usage(event: Completed) -> Usage:
    return Usage.of(event.prompt_tokens, event.completion_tokens, event.cached_tokens, event.reasoning_tokens)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
