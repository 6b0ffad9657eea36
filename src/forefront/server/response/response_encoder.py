"""A backend's events, as the two things that are sent: one whole completion, or a stream of chunks.

`Completion` is what the two endpoints have in common; `ChatAnswer` and `TextAnswer` spell events each in its own shape.
"""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from forefront.catalog.catalog import ServedModel
from forefront.chat.events import ChoiceEnd, Completed, Event
from forefront.server.response.response_memory import AnswerMemory
from forefront.wire.response import Receipt, Usage


class Completion(ABC):
    """One answer to one request: its id, its model, and how its events are spelled."""

    def __init__(self, prefix: str, model: ServedModel, *, include_usage: bool) -> None:
        now = time.time()
        # In the order of time, so that the ledger's newest rows are neighbours in its index: a group of random ones
        # would touch as many pages, each to be written.
        self.id = f"{prefix}-{int(now * 1000):012x}{secrets.token_hex(8)}"
        self.created = int(now)
        self.model = model
        self._include_usage = include_usage
        self._last_end: Any = None

    @abstractmethod
    async def whole(self, events: AsyncIterator[Event], memory: AnswerMemory) -> Any:
        """Wait for every event; the completion that they make. What is collected is counted by `memory`."""

    def chunks(self, event: Event) -> list[Any]:
        """What one event adds to the stream. The end of a choice waits for what follows it: the last chunk of all
        carries the receipt."""
        held, self._last_end = self._last_end, None
        before = [] if held is None else [held]
        match event:
            case ChoiceEnd():
                self._last_end = self.end(event)
            case Completed():
                if self._include_usage:
                    before.append(self.closing(usage_of(event)))
                if before:
                    before[-1].receipt = self.receipt(event)
            case _:
                before += self.pieces(event)
        return before

    @abstractmethod
    def pieces(self, event: Event) -> list[Any]:
        """The chunks of an event that is neither the end of a choice nor of all."""

    @abstractmethod
    def end(self, event: ChoiceEnd) -> Any:
        """The chunk that ends a choice."""

    @abstractmethod
    def closing(self, usage: Usage) -> Any:
        """The chunk that holds no choice, but the usage."""

    def receipt(self, event: Completed) -> Receipt | None:
        """How the answer was made."""
        build, work = self.model.build, event.work
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


def usage_of(event: Completed) -> Usage:
    """The usage as it is sent."""
    return Usage.of(event.prompt_tokens, event.completion_tokens, event.cached_tokens, event.reasoning_tokens)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
