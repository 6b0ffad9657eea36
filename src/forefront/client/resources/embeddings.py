"""`client.embeddings` and `client.rerank`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from forefront.client.decoding import read_embeddings, read_ranking
from forefront.client.request import embedding_call, rerank_call
from forefront.client.resources.params import EmbeddingParams, RerankParams
from forefront.client.resources.raw_response import RawResponse, raw_response
from forefront.client.settings import ClientSettings
from forefront.wire.embeddings import EmbeddingList, RerankResult

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport, Transport

Input: TypeAlias = str | Sequence[str | int | Sequence[int]]
"""A text, its token ids, or several of these."""

Documents: TypeAlias = Iterable[str | Mapping[str, Any]]
"""Texts, or objects with a `text`."""


class Embeddings:
    """Vectors of texts."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "RawEmbeddings":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawEmbeddings(self._settings, self._transport)

    def create(self, *, input: Input, **params: Unpack[EmbeddingParams]) -> EmbeddingList:  # noqa: A002
        """A vector of float numbers for each input: a text, token ids, or a list of either.

        The vectors travel as base64, unless `encoding_format` is given. Raises `APIError`, and `InvalidArgumentError`
        for arguments that cannot be sent.
        """
        return read_embeddings(self._transport.send(embedding_call(self._settings, input, params)))


class RawEmbeddings:
    """The methods of `Embeddings`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    def create(self, *, input: Input, **params: Unpack[EmbeddingParams]) -> RawResponse[EmbeddingList]:  # noqa: A002
        """`Embeddings.create`."""
        return raw_response(self._transport.send(embedding_call(self._settings, input, params)), read_embeddings)


class AsyncEmbeddings:
    """`Embeddings`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "AsyncRawEmbeddings":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawEmbeddings(self._settings, self._transport)

    async def create(self, *, input: Input, **params: Unpack[EmbeddingParams]) -> EmbeddingList:  # noqa: A002
        """`Embeddings.create`."""
        return read_embeddings(await self._transport.send(embedding_call(self._settings, input, params)))


class AsyncRawEmbeddings:
    """`RawEmbeddings`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    async def create(self, *, input: Input, **params: Unpack[EmbeddingParams]) -> RawResponse[EmbeddingList]:  # noqa: A002
        """`Embeddings.create`."""
        return raw_response(await self._transport.send(embedding_call(self._settings, input, params)), read_embeddings)


class Rerank:
    """The order of documents by their relevance for a query."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "RawRerank":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawRerank(self._settings, self._transport)

    def create(self, *, query: str, documents: Documents, **params: Unpack[RerankParams]) -> RerankResult:
        """The most relevant documents, best first, in `.results`. Raises `APIError`, and `InvalidArgumentError` for
        arguments that cannot be sent."""
        return read_ranking(self._transport.send(rerank_call(self._settings, query, documents, params)))


class RawRerank:
    """The methods of `Rerank`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    def create(self, *, query: str, documents: Documents, **params: Unpack[RerankParams]) -> RawResponse[RerankResult]:
        """`Rerank.create`."""
        return raw_response(self._transport.send(rerank_call(self._settings, query, documents, params)), read_ranking)


class AsyncRerank:
    """`Rerank`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "AsyncRawRerank":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawRerank(self._settings, self._transport)

    async def create(self, *, query: str, documents: Documents, **params: Unpack[RerankParams]) -> RerankResult:
        """`Rerank.create`."""
        return read_ranking(await self._transport.send(rerank_call(self._settings, query, documents, params)))


class AsyncRawRerank:
    """`RawRerank`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    async def create(
        self, *, query: str, documents: Documents, **params: Unpack[RerankParams]
    ) -> RawResponse[RerankResult]:
        """`Rerank.create`."""
        call = rerank_call(self._settings, query, documents, params)
        return raw_response(await self._transport.send(call), read_ranking)
