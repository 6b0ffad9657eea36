"""`POST /v1/embeddings` and `POST /v1/rerank`: the way of a request, as in `completions.py`."""

import base64
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog, ModelUse
from forefront.chat.embedder import Embedder, PreparedEmbeddings, Vector
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.request_lease import Lease
from forefront.server.http.disconnect import while_connected
from forefront.server.http.error_response import rate_limit_headers
from forefront.server.http.request_context import RequestContext, request_context
from forefront.server.routes.models import find_model
from forefront.server.routes.request_body import read_request
from forefront.server.sending.response_encoder import new_id
from forefront.server.sending.response_sender import ignored_header
from forefront.server.sending.send_body import send_json
from forefront.wire.completions.parse import ParsedRequest
from forefront.wire.embeddings import (
    EmbeddingRequest,
    EmbeddingUsage,
    RankedDocument,
    RerankDocument,
    RerankRequest,
    RerankResult,
)
from forefront.wire.errors import RequestError
from forefront.wire.parse_embeddings import parse_embedding_request, parse_rerank_request

R = TypeVar("R", bound=EmbeddingRequest | RerankRequest)

_encoder = msgspec.json.Encoder()
# Bytes of a number in JSON, at most, and of the rest of an entry.
_NUMBER, _ENTRY = 26, 64
# Numbers whose JSON takes about a millisecond; more are encoded in a thread, a vector at a time.
_FEW_NUMBERS = 8192


@dataclass(frozen=True)
class EmbeddingApi(Generic[R]):
    """The differences between the two endpoints: the request's parser and preparation, the JSON of its response in
    pieces, and the prefix of its id."""

    parse: Callable[[bytes | bytearray], ParsedRequest[R]]
    prepare: Callable[[Embedder[Any], R, Tenant], Awaitable[PreparedEmbeddings]]
    encode: Callable[[R, "Embedded"], Iterator[bytes]]
    prefix: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """A computed request."""

    id: str
    model: str
    vectors: Sequence[Vector]
    usage: EmbeddingUsage


class EmbeddingsEndpoint(Generic[R]):
    """The endpoint, as an ASGI application, since it has to see the client disconnect.

    parse → find the model → load → prepare → admit → embed → settle → send
    """

    def __init__(self, api: EmbeddingApi[R], catalog: Catalog, gateway: Gateway, workers: WorkerPool) -> None:
        self._api = api
        self._catalog = catalog
        self._gateway = gateway
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parsed = await read_request(scope, receive, self._api.parse, self._gateway, self._workers)
        if parsed is None:
            return
        principal = request_context(scope).principal
        model = ModelUse(find_model(self._catalog, principal, parsed.request.model))
        name = new_id(self._api.prefix, time.time())
        with self._gateway.admit(principal, model.name, name) as lease, model:
            sending = self._answer(parsed, model, request_context(scope), lease, name)
            await while_connected(scope, receive, self._send(sending, lease, ignored_header(parsed.ignored), send))

    async def _answer(
        self, parsed: ParsedRequest[R], model: ModelUse, context: RequestContext, lease: Lease, name: str
    ) -> bytes:
        """The body of the response."""
        tenant = context.principal.tenant
        await model.wait()
        backend = model.backend
        if not isinstance(backend, Embedder):
            text = f"The model `{model.name}` generates text: it makes no embeddings and does not rank texts."
            raise RequestError("unsupported_parameter", text, param="model")
        prepared = await self._api.prepare(backend, parsed.request, tenant)
        numbers = prepared.count * prepared.dimensions
        context.memory.grow(numbers * _NUMBER + prepared.count * _ENTRY)
        await lease.admit(prepared.prompt_tokens, 0)
        try:
            lease.started = time.time()
            result = await backend.embed(prepared)
            lease.input_tokens, lease.estimated = result.prompt_tokens, result.estimated
            lease.end_turn(0)
            usage = EmbeddingUsage(prompt_tokens=result.prompt_tokens, total_tokens=result.prompt_tokens)
            embedded = Embedded(name, model.name, result.vectors, usage)
            if numbers <= _FEW_NUMBERS:
                body = b"".join(self._api.encode(parsed.request, embedded))
            else:
                body = await self._workers.run(
                    tenant, numbers, lambda: b"".join(self._api.encode(parsed.request, embedded))
                )
            await lease.settle("completed", "stop")
        except Exception as error:
            lease.fail(error)
            raise
        return body

    async def _send(self, answer: Awaitable[bytes], lease: Lease, headers: dict[str, str], send: Send) -> None:
        body = await answer
        await send_json(send, body, headers | rate_limit_headers(lease.rate_limits()))


def encode_embeddings(request: EmbeddingRequest, embedded: Embedded) -> Iterator[bytes]:
    """The JSON of an `EmbeddingList`, one vector at a time."""
    yield b'{"id":%b,"object":"list","model":%b,"data":[' % tuple(map(_encoder.encode, (embedded.id, embedded.model)))
    for index, vector in enumerate(embedded.vectors):
        if request.encoding_format == "base64":
            value = b'"%b"' % base64.b64encode(vector.astype("<f4").tobytes())
        else:
            value = _encoder.encode(vector.tolist())
        yield b'%b{"object":"embedding","index":%d,"embedding":%b}' % (b"," if index else b"", index, value)
    yield b'],"usage":%b}' % _encoder.encode(embedded.usage)


def encode_ranking(request: RerankRequest, embedded: Embedded) -> Iterator[bytes]:
    """The JSON of a `RerankResult`."""
    scores = [float(vector[0]) for vector in embedded.vectors]
    best = sorted(range(len(scores)), key=lambda index: -scores[index])[: request.top_n]
    texts = request.texts if request.return_documents else None
    results = [
        RankedDocument(
            index=index,
            relevance_score=scores[index],
            document=None if texts is None else RerankDocument(text=texts[index]),
        )
        for index in best
    ]
    yield _encoder.encode(RerankResult(id=embedded.id, model=embedded.model, results=results, usage=embedded.usage))


EMBEDDINGS: EmbeddingApi[EmbeddingRequest] = EmbeddingApi(
    parse_embedding_request,
    lambda embedder, request, tenant: embedder.prepare_embeddings(request, tenant),
    encode_embeddings,
    "embd-",
)
RERANK: EmbeddingApi[RerankRequest] = EmbeddingApi(
    parse_rerank_request,
    lambda embedder, request, tenant: embedder.prepare_ranking(request, tenant),
    encode_ranking,
    "rank-",
)
