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

    async def whole(self, events: AsyncIterator[Event]) -> ChatCompletion:
        """Wait for every event; the completion that they make."""
        count = self._request.n or 1
        texts: list[list[str]] = [[] for _ in range(count)]
        logprobs: list[list[TokenLogprob]] = [[] for _ in range(count)]
        reasons: list[FinishReason | None] = [None] * count
        usage = Usage.of(0, 0, 0)
        async for event in events:
            match event:
                case TextDelta():
                    texts[event.index].append(event.text)
                    logprobs[event.index] += event.logprobs or ()
                case ChoiceEnd():
                    reasons[event.index] = event.reason
                case Completed():
                    usage = Usage.of(event.prompt_tokens, event.completion_tokens, event.cached_tokens)
        choices = [
            Choice(
                index=index,
                message=ResponseMessage(content="".join(texts[index])),
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
        )

    def chunks(self, event: Event) -> list[ChatCompletionChunk]:
        """What one event adds to the stream."""
        match event:
            case Started():
                # The role comes first and by itself, for every choice.
                opening = ChoiceDelta(role="assistant", content="")
                return [self._chunk(index, opening) for index in range(self._request.n or 1)]
            case TextDelta():
                logprobs = None if event.logprobs is None else ChoiceLogprobs(content=event.logprobs)
                return [self._chunk(event.index, ChoiceDelta(content=event.text), logprobs)]
            case ChoiceEnd():
                return [self._chunk(event.index, ChoiceDelta(), reason=event.reason)]
            case Completed():
                options = self._request.stream_options
                if options is None or not options.include_usage:
                    return []
                usage = Usage.of(event.prompt_tokens, event.completion_tokens, event.cached_tokens)
                return [self._message([], usage)]

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
