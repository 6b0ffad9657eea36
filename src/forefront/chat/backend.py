"""The interface between the server and a model: prepare a request, then run it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from forefront.chat.events import Event
from forefront.engine.engine_stats import EngineStats
from forefront.fairness.tenant import Tenant
from forefront.wire.admin.records import ClusterStatus, ReplicaStatus
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.tokens import TokenizeRequest

__all__ = [
    "Backend",
    "ClusteredBackend",
    "EngineStats",
    "PreparedRequest",
    "PromptPreview",
    "ReplicatedBackend",
    "Run",
    "RunUsage",
    "TokenizedText",
]


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The token ids of a text or a conversation, and the text of each token if requested."""

    tokens: list[int]
    texts: list[str] | None = None


@dataclass(frozen=True, slots=True)
class PromptPreview:
    """The prompt of a chat request: its text after the template, its tokens, and how many of them the KV cache holds.
    `max_tokens` is that of the request."""

    text: str
    prompt_tokens: int
    cached_tokens: int
    max_tokens: int | None


class PreparedRequest(Protocol):
    """A request that can run. Its size is known, nothing has been computed."""

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all prompts."""

    @property
    def max_output_tokens(self) -> int:
        """The most tokens that all choices together can have."""

    @property
    def unenforced(self) -> tuple[str, ...]:
        """The paths of keywords of schemas that do not bind the answer."""


class RunUsage(msgspec.Struct):
    """Tokens of one run. `cached_tokens` of the prompt came from the KV cache, `output_tokens` were sampled over all
    choices, `reasoning_tokens` of those within reasoning. `started` is the Unix time of the first token.
    `prompt_tokens` is set where the prepared request only bounds them. `estimated`: not counted by the engine."""

    prompt_tokens: int | None = None
    estimated: bool = False
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    started: float | None = None


class Run(msgspec.Struct):
    """A request that is being answered. Closing `events` early (`aclose`) stops the work.

    `usage` is final once `events` have ended or are closed. `computed` gets the number of sampled tokens when the
    engine has finished, whether or not the events have been read.
    """

    events: AsyncGenerator[Event, None]
    usage: RunUsage
    computed: asyncio.Future[int]


P = TypeVar("P", bound=PreparedRequest)


class Backend(Protocol[P]):
    """Answers requests for one model. `LocalBackend` is the engine of this process.

    Nothing computed for one `tenant` is used for another.
    """

    context_length: int

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> P:
        """Render, tokenise and check a request. Raises `RequestError`."""

    def run(self, prepared: P, deadline: float | None = None) -> Run:
        """Answer a prepared request, once. At `deadline`, a time of the event loop's clock, the answer is cut.

        Iterating `Run.events` raises `RequestError` for an answer that fails.
        """

    async def preview(self, request: ChatRequest, tenant: Tenant) -> PromptPreview:
        """The prompt of a request, without running it. Raises `RequestError` like `prepare`."""

    async def tokenize(self, request: TokenizeRequest, tenant: Tenant) -> TokenizedText:
        """The tokens of a text or a conversation. Raises `RequestError`."""

    async def detokenize(self, tokens: Sequence[int], tenant: Tenant) -> str:
        """The text of tokens, control tokens by their names. Raises `RequestError`."""

    def ignored(self, request: SampledRequest) -> tuple[str, ...]:
        """The request's fields that have no effect for this model. Raises `RequestError` for one that must have."""

    def start(self) -> None:
        """Begin to answer, on the running event loop."""

    async def probe(self) -> None:
        """Return once a token has been generated, or raise."""

    def stats(self) -> EngineStats:
        """The engine's load and counters."""

    async def close(self) -> None:
        """Stop. Running requests end with an error."""


@runtime_checkable
class ReplicatedBackend(Protocol):
    """A backend whose model other servers answer for."""

    def replicas(self) -> list[ReplicaStatus]:
        """The state of each server, for administrators."""


@runtime_checkable
class ClusteredBackend(Protocol):
    """A backend whose model runs on replicas of a cluster."""

    def cluster_status(self) -> ClusterStatus:
        """The replicas, routing and moves, for administrators."""
