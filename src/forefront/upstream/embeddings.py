"""Embeddings and rankings of an upstream: requests in batches, and answers in the forms that servers have."""

import base64
import binascii
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from forefront.chat.embedder import EmbeddingResult, Vector
from forefront.fairness.tenant import Tenant
from forefront.upstream.dialects import Dialect
from forefront.upstream.error_mapping import error_of, malformed_error, read_error
from forefront.upstream.errors import UpstreamError, log_failure
from forefront.upstream.http.http_client import UpstreamClient
from forefront.upstream.prompt_size import Counter, byte_length
from forefront.upstream.replica import Replicas, RoutedRequest, UpstreamReplica
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.completions.request import CompletionRequest
from forefront.wire.embeddings import EmbeddingRequest, RerankRequest
from forefront.wire.errors import RequestError

# Texts per request to the upstream: few, so that decoding an answer takes few milliseconds.
_BATCH: Final = 128
# The assumed width of vectors until the request or an answer states it, and the maximum width.
_WIDTH: Final = 4096
_MAX_WIDTH: Final = 65_536
_ADDED: Final = 8  # tokens around a text
_INSTRUCTIONS: Final = 256  # tokens that a ranking model may add around a pair: Qwen 3 about 110


@dataclass(frozen=True, slots=True)
class PreparedTexts:
    """A `PreparedEmbeddings` for an upstream. `bodies` have at most `_BATCH` texts each. `instructions`: tokens that
    the model may add to the texts."""

    path: str
    bodies: list[dict[str, Any]]
    counts: list[int]
    read: Callable[[Any, int], list[Vector]]
    routed: RoutedRequest
    dimensions: int
    expected: int | None = None
    instructions: int = 0

    @property
    def count(self) -> int:
        """The number of texts."""
        return sum(self.counts)

    @property
    def prompt_tokens(self) -> int:
        """The bound of the texts' tokens."""
        return self.routed.tokens


class UpstreamEmbeddings:
    """The embeddings of one model. `count` counts the tokens of a text; without it, its bytes bound them."""

    def __init__(self, spec: UpstreamSpec, replicas: Replicas, client: UpstreamClient, count: Counter | None) -> None:
        self._spec = spec
        self._replicas = replicas
        self._client = client
        self._count = count or byte_length
        self._width = _WIDTH

    def prepare_embeddings(self, request: EmbeddingRequest, tenant: Tenant, dialect: Dialect) -> PreparedTexts:
        """See `Embedder.prepare_embeddings`."""
        fields: dict[str, Any] = {"model": self._spec.model}
        if request.dimensions is not None:
            if not dialect.dimensions:
                raise self._unsupported("`dimensions`", dialect, "dimensions")
            fields["dimensions"] = request.dimensions
        if dialect.base64_vectors:
            fields["encoding_format"] = "base64"
        batches = list(_batches(request.inputs))
        return PreparedTexts(
            path="/embeddings",
            bodies=[fields | {"input": batch} for batch in batches],
            counts=[len(batch) for batch in batches],
            read=read_vectors,
            routed=self._routed(request.model, request.inputs[0], tenant, sum(map(self._bound, request.inputs))),
            dimensions=request.dimensions or self._width,
            expected=request.dimensions,
        )

    def prepare_ranking(self, request: RerankRequest, tenant: Tenant, dialect: Dialect) -> PreparedTexts:
        """See `Embedder.prepare_ranking`. The upstream returns all scores; this server selects those to send."""
        if not dialect.ranks:
            raise self._unsupported("Ranking", dialect, "model")
        batches = list(_batches(request.texts))
        tokens = len(request.texts) * self._bound(request.query) + sum(map(self._bound, request.texts))
        return PreparedTexts(
            path="/rerank",
            bodies=[
                {"model": self._spec.model, "query": request.query, "documents": batch, "top_n": len(batch)}
                for batch in batches
            ],
            counts=[len(batch) for batch in batches],
            read=read_scores,
            routed=self._routed(request.model, request.query, tenant, tokens),
            dimensions=1,
            expected=1,
            instructions=len(request.texts) * _INSTRUCTIONS,
        )

    async def embed(self, prepared: PreparedTexts) -> EmbeddingResult:
        """See `Embedder.embed`. Each batch is tried on another replica by the rules of completions."""
        vectors: list[Vector] = []
        tokens: int | None = 0
        for body, count in zip(prepared.bodies, prepared.counts, strict=True):
            found, used = await self._batch(prepared, body, count)
            vectors += found
            tokens = None if tokens is None or used is None else tokens + used
        if prepared.path == "/embeddings":
            self._width = len(vectors[0])
        return EmbeddingResult(vectors, tokens or prepared.prompt_tokens, estimated=not tokens)

    async def _batch(
        self, prepared: PreparedTexts, body: dict[str, Any], count: int
    ) -> tuple[list[Vector], int | None]:
        """The vectors of one batch, and the tokens that the upstream counted."""
        failures: list[UpstreamError] = []
        while True:
            attempt = await self._replicas.choose(prepared.routed, failures)
            failure: UpstreamError | None = None
            try:
                answer = await self._post(attempt.replica, prepared.path, body)
                vectors = _read(attempt.replica, answer, prepared, count)
                attempt.begin()
                return vectors, read_tokens(answer, prepared.prompt_tokens + prepared.instructions)
            except UpstreamError as error:
                failure = error
                log_failure(error)
                if error.kind == "request":
                    raise
                failures.append(error)
            finally:
                attempt.end(failure)

    async def _post(self, replica: UpstreamReplica, path: str, body: dict[str, Any]) -> Any:
        status, answer = await self._client.post(replica, replica.base_url + path, body, self._spec.read_seconds)
        if status != 200:
            raise error_of(read_error(answer), status, replica)
        if isinstance(answer, dict) and answer.get("error"):
            error = read_error(answer)
            raise error_of(error, error.status or 500, replica)
        return answer

    def _bound(self, entry: str | list[int]) -> int:
        return (self._count(entry) if isinstance(entry, str) else len(entry)) + _ADDED

    def _routed(self, model: str, first: str | list[int], tenant: Tenant, tokens: int) -> RoutedRequest:
        return RoutedRequest(CompletionRequest(model=model, prompt=[first]), tenant, tokens)

    def _unsupported(self, what: str, dialect: Dialect, param: str) -> RequestError:
        text = f"{what} is not supported by the model `{self._spec.name}`: its upstream ({dialect.name}) lacks it."
        return RequestError("unsupported_parameter", text, param=param)


def read_vectors(answer: Any, count: int) -> list[Vector]:
    """The vectors of an `/embeddings` response, in the order of the texts. Raises `ValueError`."""
    entries = _by_index(answer.get("data") if isinstance(answer, dict) else answer, count)
    vectors = [_vector(entry.get("embedding")) for entry in entries]
    if len({len(vector) for vector in vectors}) != 1:
        raise ValueError("its vectors have several lengths")
    return vectors


def read_scores(answer: Any, count: int) -> list[Vector]:
    """The scores of a `/rerank` response as vectors of one number. Raises `ValueError`.

    The list of results has several names (SGLang sends it alone), the score two.
    """
    results = answer
    if isinstance(answer, dict):
        results = answer.get("results", answer.get("data"))
    scores = []
    for entry in _by_index(results, count):
        score = entry.get("relevance_score", entry.get("score"))
        if not isinstance(score, int | float) or isinstance(score, bool) or not math.isfinite(score):
            raise ValueError("it sends a document without a score")
        scores.append(np.array([score], np.float32))
    return scores


def read_tokens(answer: Any, bound: int) -> int | None:
    """The tokens of the usage; None where there are none that can be right."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return None
    for name in ("prompt_tokens", "total_tokens", "input_tokens"):
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 2 * bound:
            return value
    return None


def _read(replica: UpstreamReplica, answer: Any, prepared: PreparedTexts, count: int) -> list[Vector]:
    try:
        vectors = prepared.read(answer, count)
    except ValueError as error:
        raise malformed_error(replica, f"{prepared.path}: {error}") from None
    if prepared.expected is not None and len(vectors[0]) != prepared.expected:
        raise malformed_error(replica, f"its vectors have {len(vectors[0])} numbers, not {prepared.expected}")
    return vectors


def _by_index(entries: Any, count: int) -> list[dict[str, Any]]:
    """The entries in the order of their `index`, of which each occurs once."""
    found: dict[int, dict[str, Any]] = {}
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        index = entry.get("index", position) if isinstance(entry, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
            raise ValueError("it numbers a text that there is not")
        found[index] = entry
    if len(found) != count:
        raise ValueError(f"it answers for {len(found)} of {count} texts")
    return [found[index] for index in range(count)]


def _vector(value: Any) -> Vector:
    """A vector from numbers or from base64 of little-endian float32 numbers."""
    if isinstance(value, str):
        try:
            vector = np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
        except (binascii.Error, ValueError):
            raise ValueError("it sends a vector that is not base64") from None
    else:
        vector = _numbers(value)
    if not 0 < len(vector) <= _MAX_WIDTH or not np.isfinite(vector).all():
        raise ValueError("it sends a vector that is none")
    return vector


def _numbers(value: Any) -> Vector:
    try:
        with np.errstate(over="ignore"):  # of a number that is too large for 32 bits
            return np.array(msgspec.convert(value, list[float]), np.float32)
    except (msgspec.ValidationError, OverflowError):
        raise ValueError("it sends a vector that is none") from None


def _batches(texts: Sequence[Any]) -> Iterator[list[Any]]:
    for begin in range(0, len(texts), _BATCH):
        yield list(texts[begin : begin + _BATCH])
