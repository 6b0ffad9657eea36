"""The engine as the local backend uses it: token ids in, token ids out."""

from typing import Protocol

from forefront.engine.engine_stats import EngineStats
from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant


class TokenEngine(Protocol):
    """`Engine` of this process, or the client of another engine. `context_limit`: maximum tokens of one sequence.
    `takes_predictions`: predicted outputs (`GenerateRequest.prediction`) have an effect."""

    context_limit: int
    vocabulary_size: int
    takes_predictions: bool

    def start(self) -> None:
        """Begin to answer, on the running event loop."""

    def submit(self, request: GenerateRequest) -> Generation:
        """Queue a request. Raises `EngineError`."""

    async def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """The number of a prompt's tokens that are cached now. Raises `EngineError`."""

    async def stop(self) -> None:
        """Stop. Unfinished generations raise `EngineStoppedError`."""

    def stats(self) -> EngineStats:
        """The engine's load and counters."""
