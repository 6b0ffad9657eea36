"""The one seam: whatever can answer a chat request. `LocalBackend` is this machine's engine."""

from collections.abc import AsyncGenerator
from typing import Protocol

from forefront.chat.events import Event
from forefront.chat.meter import Meter
from forefront.engine.engine import EngineStats
from forefront.wire.request import ChatRequest


class Backend(Protocol):
    """Answers chat requests for one model.

    `chat` yields events as `forefront.chat.events` describes and raises `ApiError` for a request it refuses. Closing
    the generator early (`aclose`) stops the work. Nothing computed for one `tenant` is ever used for another. `meter`
    says when the work may begin, and holds what was used once the generator has ended, however it did.
    """

    context_length: int

    def chat(self, request: ChatRequest, tenant: bytes, meter: Meter) -> AsyncGenerator[Event, None]: ...

    def start(self) -> None:
        """Begin to answer, on the running event loop."""

    async def probe(self) -> None:
        """Return once a token has been generated, or raise."""

    def stats(self) -> EngineStats:
        """What the engine behind it is doing."""

    async def close(self) -> None:
        """Stop; requests that are still running end with an error."""
