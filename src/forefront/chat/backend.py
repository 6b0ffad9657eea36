"""The one seam: whatever can answer a request. `LocalBackend` is this machine's engine."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from forefront.chat.events import Event
from forefront.chat.meter import Meter
from forefront.engine.engine import EngineStats
from forefront.fairness.tenant import Tenant
from forefront.wire.request import ChatRequest, CompletionRequest, SampledRequest

__all__ = ["Backend", "EngineStats", "Foresight"]


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a chat request would meet: the text that the model would read, its tokens, and how many of them are in the
    KV cache; how many tokens of answer the request asks for, if it says so."""

    prompt: str
    prompt_tokens: int
    cached_tokens: int
    max_tokens: int | None


class Backend(Protocol):
    """Answers requests for one model.

    `chat` and `complete` yield events as `forefront.chat.events` describes and raise `ApiError` for a request that is
    refused. Closing the generator early (`aclose`) stops the work. Nothing computed for one `tenant` is ever used for
    another. `meter` says when the work may begin, and holds what was used once the generator has ended, however it
    did.
    """

    context_length: int

    def chat(self, request: ChatRequest, tenant: Tenant, meter: Meter) -> AsyncGenerator[Event, None]: ...

    def complete(self, request: CompletionRequest, tenant: Tenant, meter: Meter) -> AsyncGenerator[Event, None]: ...

    async def foresee(self, request: ChatRequest, tenant: Tenant) -> Foresight:
        """What `chat` would meet, without answering. Raises `ApiError` as it would."""

    def ignored(self, request: SampledRequest) -> tuple[str, ...]:
        """The request's fields that have no effect for this model. Raises `ApiError` for one that must have."""

    def start(self) -> None:
        """Begin to answer, on the running event loop."""

    async def probe(self) -> None:
        """Return once a token has been generated, or raise."""

    def stats(self) -> EngineStats:
        """What the engine behind it is doing."""

    async def close(self) -> None:
        """Stop; requests that are still running end with an error."""
