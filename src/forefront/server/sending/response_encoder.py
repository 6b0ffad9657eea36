"""From a backend's events to the response: one whole body, or the frames of a stream.

`ResponseEncoder` is the interface to every API. `ChunkEncoder` is the common part of `ChatCompletionEncoder` and
`TextCompletionEncoder`, whose streams are chunks of the same shape as the whole response.
"""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from forefront.catalog.catalog import ModelUse
from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Event, Started, UpstreamReport
from forefront.server.sending.response_memory import ResponseMemory
from forefront.server.sending.sse import DONE, encode_event, encode_waiting
from forefront.server.sending.text_frames import encode_text, surroundings_of
from forefront.wire.completions.response import Usage
from forefront.wire.errors import RequestError
from forefront.wire.receipt import Receipt, UpstreamReceipt


class ResponseEncoder(ABC):
    """Encodes the response to one request, which has an id and a model. `memory` counts collected text."""

    def __init__(self, prefix: str, model: ModelUse, memory: ResponseMemory) -> None:
        now = time.time()
        self.id = new_id(prefix, now)
        self.created = int(now)
        self.model = model
        self.memory = memory
        self.fingerprint = ""  # of the model, or of its upstream; known once the answer starts

    @abstractmethod
    async def whole(self, events: AsyncIterator[Event]) -> Any:
        """Collect all events into a response, as a value that is sent as JSON."""

    def start(self, event: Started) -> None:
        """The answer starts: the model will not change any more."""
        self.fingerprint = event.fingerprint or self.model.fingerprint

    @abstractmethod
    def frames(self, event: Event) -> list[bytes]:
        """The server-sent events of one event. Raises `RequestError` for want of memory."""

    async def finish(self, event: Completed) -> None:  # noqa: B027 - most APIs have nothing to do
        """Work before the frames of the last event. Raises `RequestError`, which ends the stream."""

    def pause(self, ahead: int, seconds: float) -> bytes:
        """A sign of life for a stream without events: so many requests are ahead in the queue, for about so long."""
        return encode_waiting(ahead, seconds)

    def end_of_stream(self) -> bytes:
        """The bytes after the frames of the last event; empty where the API has none."""
        return b""

    @abstractmethod
    def failure(self, error: RequestError) -> bytes:
        """The server-sent events that end a stream after an error."""

    def receipt(self, event: Completed) -> Receipt | None:
        """The computation of the answer."""
        report = event.report
        if report is None:
            return None
        build = self.model.build if report.upstream is None else report.upstream
        return Receipt(
            weights=build.weights,
            quantization=build.quantization,
            engine=build.engine,
            sampling=report.sampling,
            queue_ms=_milliseconds(report.queue_seconds),
            prefill_ms=_milliseconds(report.prefill_seconds),
            decode_ms=_milliseconds(report.decode_seconds),
            served_by=self.model.fallback,
            moves=report.moves or None,
            upstream=None if report.upstream is None else _upstream(report.upstream),
        )


def new_id(prefix: str, now: float) -> str:
    """An id for a response that begins now."""
    # Ordered by time: new rows of the ledger are neighbours in its index, so that a group of them writes few pages.
    return f"{prefix}{int(now * 1000):012x}{os.urandom(8).hex()}"


class ChunkEncoder(ResponseEncoder):
    """Encodes each event as chunks. The end of a choice is held back until the next event: the last chunk carries the
    receipt."""

    def __init__(self, prefix: str, model: ModelUse, memory: ResponseMemory, *, include_usage: bool) -> None:
        super().__init__(prefix, model, memory)
        self._include_usage = include_usage
        self._last_end: Any = None
        self._surroundings: dict[int, tuple[bytes, bytes]] = {}  # of the text deltas of each choice

    def frames(self, event: Event) -> list[bytes]:
        """See `ResponseEncoder.frames`."""
        if isinstance(event, ContentDelta) and event.logprobs is None and self._last_end is None:
            surroundings = self._surroundings.get(event.index) or self._surround(event.index)
            return [encode_text(event.text).join(surroundings)]
        return [encode_event(chunk) for chunk in self._chunks(event)]

    def end_of_stream(self) -> bytes:
        """See `ResponseEncoder.end_of_stream`."""
        return DONE

    def failure(self, error: RequestError) -> bytes:
        """See `ResponseEncoder.failure`."""
        return encode_event(error.body())

    @abstractmethod
    def deltas(self, event: Event) -> list[Any]:
        """The chunks of an event other than `ChoiceEnd` and `Completed`."""

    @abstractmethod
    def text_chunk(self, event: ContentDelta) -> Any:
        """The chunk of a text delta."""

    @abstractmethod
    def end(self, event: ChoiceEnd) -> Any:
        """The chunk that ends a choice."""

    @abstractmethod
    def usage_chunk(self, usage: Usage) -> Any:
        """The chunk with the usage and no choice."""

    def _surround(self, index: int) -> tuple[bytes, bytes]:
        placeholder = f"\0{self.id}"  # the id is random, so no name or fingerprint contains this
        self._surroundings[index] = surroundings_of(placeholder, self.text_chunk(ContentDelta(index, placeholder)))
        return self._surroundings[index]

    def _chunks(self, event: Event) -> list[Any]:
        held, self._last_end = self._last_end, None
        chunks = [] if held is None else [held]
        match event:
            case ChoiceEnd():
                self._last_end = self.end(event)
            case Completed():
                if self._include_usage:
                    chunks.append(self.usage_chunk(usage_of(event)))
                if chunks:
                    chunks[-1].receipt = self.receipt(event)
            case Started():
                self.start(event)
                chunks += self.deltas(event)
            case _:
                chunks += self.deltas(event)
        return chunks


def usage_of(event: Completed) -> Usage:
    """The usage of the whole request, as it is sent."""
    counts = event.prompt_tokens, event.completion_tokens, event.cached_tokens, event.reasoning_tokens
    return Usage.of(*counts, event.predicted)


def _upstream(report: UpstreamReport) -> UpstreamReceipt:
    return UpstreamReceipt(name=report.name, model=report.model)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
