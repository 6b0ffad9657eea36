"""The engine of an embedding model as its backend uses it: token ids in, vectors out."""

from collections.abc import Sequence
from typing import Protocol

from forefront.chat.embedder import Vector
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.engine_stats import EngineStats
from forefront.fairness.tenant import Tenant


class VectorEngine(Protocol):
    """`EmbeddingEngine` of this process, or the replicas of a cluster."""

    def start(self) -> None:
        """Begin to answer, on the running event loop."""

    async def vectors(self, inputs: Sequence[EmbeddingInput], tenant: Tenant) -> list[Vector]:
        """One vector for each sequence, in order. Raises `EngineError`."""

    async def stop(self) -> None:
        """Stop. Unfinished requests raise `EngineStoppedError`."""

    def stats(self) -> EngineStats:
        """The load in sequences, and the tokens that have been read."""
