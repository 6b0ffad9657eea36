"""The interface between the server and a model that makes embeddings or ranks texts."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.fairness.tenant import Tenant
from forefront.wire.embeddings import EmbeddingRequest, RerankRequest

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PreparedEmbeddings:
    """The sequences of a request. Each gets a vector of `dimensions` numbers."""

    inputs: list[EmbeddingInput]
    tenant: Tenant
    dimensions: int

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all sequences."""
        return sum(len(entry.tokens) for entry in self.inputs)


@runtime_checkable
class Embedder(Protocol):
    """A backend that makes embeddings, ranks texts, or both."""

    async def prepare_embeddings(self, request: EmbeddingRequest, tenant: Tenant) -> PreparedEmbeddings:
        """Tokenise and check a request. Raises `ApiError`."""

    async def prepare_ranking(self, request: RerankRequest, tenant: Tenant) -> PreparedEmbeddings:
        """The pairs of the query with each document. Raises `ApiError`."""

    async def embed(self, prepared: PreparedEmbeddings) -> list[Vector]:
        """A vector for each sequence; for a ranking vectors of one number, the score. Raises `ApiError`."""
