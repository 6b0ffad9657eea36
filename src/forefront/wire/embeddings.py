"""`POST /v1/embeddings` and `POST /v1/rerank`: requests and responses."""

from typing import Annotated, Final, Literal, cast

import msgspec
from msgspec import Meta

from forefront.wire.completions.request import NonEmpty, Positive, TokenId
from forefront.wire.record import Record

MAX_INPUTS: Final = 2048
MAX_DOCUMENTS: Final = 1024


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """Texts, or token ids, to turn into vectors: one input, or a list of them.

    `encoding_format` `base64` sends each vector as little-endian float32 numbers. `dimensions` shortens the vectors of
    models that are trained for it.
    """

    model: NonEmpty
    input: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Positive | None = None

    @property
    def inputs(self) -> list[str | list[int]]:
        """Each input: a text, or token ids."""
        if isinstance(self.input, str):
            return [self.input]
        # A mixture is refused, so the first entry shows what all are: no pass over a million ids.
        return cast("list[str | list[int]]", [self.input] if isinstance(self.input[0], int) else self.input)


class RerankDocument(msgspec.Struct, kw_only=True):
    """A document as an object."""

    text: str


class RerankRequest(msgspec.Struct, kw_only=True):
    """A query, and documents to order by their relevance for it. The response has the best `top_n`, with their texts if
    `return_documents` is set. `top_n` may exceed the number of documents."""

    model: NonEmpty
    query: NonEmpty
    documents: Annotated[list[str | RerankDocument], Meta(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Positive | None = None
    return_documents: bool | None = None

    @property
    def texts(self) -> list[str]:
        """The documents' texts."""
        return [entry if isinstance(entry, str) else entry.text for entry in self.documents]


class EmbeddingUsage(Record, kw_only=True):
    """Tokens read, under the names of embeddings."""

    prompt_tokens: int
    total_tokens: int


class Embedding(Record, kw_only=True):
    """The vector of input number `index`: numbers, or base64 of little-endian float32 numbers."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingList(Record, kw_only=True):
    """One vector for each input."""

    id: str
    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


class RankedDocument(Record, kw_only=True, omit_defaults=True):
    """Document number `index` of the request with its score; higher is more relevant."""

    index: int
    relevance_score: float
    document: RerankDocument | None = None


class RerankResult(Record, kw_only=True):
    """The most relevant documents, best first."""

    id: str
    object: Literal["list"] = "list"
    model: str
    results: list[RankedDocument]
    usage: EmbeddingUsage
