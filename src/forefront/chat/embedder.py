"""The interface between the server and a model that makes embeddings or ranks texts."""

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from forefront.fairness.tenant import Tenant
from forefront.wire.embeddings import EmbeddingRequest, RerankRequest

Vector = npt.NDArray[np.float32]


class PreparedEmbeddings(Protocol):
    """A request that can run. Its size is known, and its computation has not begun."""

    @property
    def count(self) -> int:
        """The number of vectors."""

    @property
    def dimensions(self) -> int:
        """The numbers of each vector, at most."""

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all texts, at most."""


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """A vector for each text; for a ranking vectors of one number, the score. `estimated`: the tokens were not counted
    by the engine."""

    vectors: list[Vector]
    prompt_tokens: int
    estimated: bool = False


P = TypeVar("P", bound=PreparedEmbeddings)


@runtime_checkable
class Embedder(Protocol[P]):
    """A backend that makes embeddings, ranks texts, or both."""

    async def prepare_embeddings(self, request: EmbeddingRequest, tenant: Tenant) -> P:
        """Tokenise and check a request. Raises `RequestError`."""

    async def prepare_ranking(self, request: RerankRequest, tenant: Tenant) -> P:
        """The pairs of the query with each document. Raises `RequestError`."""

    async def embed(self, prepared: P) -> EmbeddingResult:
        """The vectors of a prepared request. Raises `RequestError`."""
