"""An upstream backend in this process, and the events of its answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from forefront.chat.backend import RunUsage
from forefront.chat.events import (
    ChoiceEnd,
    Completed,
    ContentDelta,
    Event,
    ReasoningDelta,
    ToolCallBegin,
    ToolInputDelta,
)
from forefront.fairness.tenant import Tenant
from forefront.upstream.build import build_backend
from forefront.upstream.spec import UpstreamSpec
from forefront.upstream.upstream_backend import UpstreamBackend
from forefront.wire.completions.parse import parse_chat_request, parse_completion_request
from forefront.wire.completions.request import ChatRequest, CompletionRequest

TENANT = Tenant("tests")
QUESTION = {"role": "user", "content": "Hello?"}


@asynccontextmanager
async def open_backend(*urls: str, **options: Any) -> AsyncIterator[UpstreamBackend]:
    """A backend, not started: nothing checks its replicas."""
    known: dict[str, Any] = {"model": "upstream-model", "dialect": "generic", "context_length": 4096}
    spec = UpstreamSpec("big", urls, **known | options)
    backend = build_backend(spec)
    try:
        yield backend
    finally:
        await backend.close()


def chat(**fields: Any) -> ChatRequest:
    """A request for chat, parsed as the server parses it."""
    body = {"model": "big", "messages": [QUESTION]} | fields
    return parse_chat_request(msgspec.json.encode(body)).request


def text(**fields: Any) -> CompletionRequest:
    """The same for a completion of a text."""
    return parse_completion_request(msgspec.json.encode({"model": "big", "prompt": "Hello"} | fields)).request


@dataclass
class Collected:
    """An answer: its events, what they add up to, and the usage of the run."""

    events: list[Event] = field(default_factory=list)
    usage: RunUsage = field(default_factory=RunUsage)

    @property
    def text(self) -> str:
        """The content of the first choice."""
        return "".join(event.text for event in self.events if isinstance(event, ContentDelta) and event.index == 0)

    @property
    def reasoning(self) -> str:
        """The reasoning of the first choice."""
        return "".join(event.text for event in self.events if isinstance(event, ReasoningDelta))

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The name and the arguments of each tool call of the first choice."""
        found: dict[int, tuple[str, str]] = {}
        for event in self.events:
            if isinstance(event, ToolCallBegin):
                assert event.call == len(found)
                found[event.call] = (event.name, "")
            elif isinstance(event, ToolInputDelta):
                name, arguments = found[event.call]
                found[event.call] = (name, arguments + event.arguments)
        return list(found.values())

    @property
    def reasons(self) -> list[str]:
        """The finish reason of each choice."""
        return [event.reason for event in self.events if isinstance(event, ChoiceEnd)]

    @property
    def completed(self) -> Completed:
        """The last event."""
        last = self.events[-1]
        assert isinstance(last, Completed)
        return last


async def answer(
    backend: UpstreamBackend, request: ChatRequest | CompletionRequest, deadline: float | None = None
) -> Collected:
    """The whole answer."""
    collected = Collected()
    await collect(collected, backend, request, deadline)
    return collected


async def collect(
    collected: Collected,
    backend: UpstreamBackend,
    request: ChatRequest | CompletionRequest,
    deadline: float | None = None,
) -> None:
    """Add the events of an answer, as far as it comes, to `collected`."""
    run = backend.run(await backend.prepare(request, TENANT), deadline)
    collected.usage = run.usage
    async for event in run.events:
        collected.events.append(event)
    assert run.computed.done()
