"""The bodies of `POST /v1/embeddings` and `POST /v1/rerank` as requests; an error names the field."""

from typing import TypeVar

from forefront.wire.completions.parse import ParsedRequest, convert_fields, read_fields
from forefront.wire.embeddings import MAX_INPUTS, EmbeddingRequest, RerankRequest
from forefront.wire.errors import RequestError

R = TypeVar("R", bound=EmbeddingRequest | RerankRequest)


def parse_embedding_request(body: bytes | bytearray) -> ParsedRequest[EmbeddingRequest]:
    """Read the body of `POST /v1/embeddings`. Raises `RequestError` 400 or 422."""
    parsed = _parse(body, EmbeddingRequest)
    given = parsed.request.input
    if isinstance(given, list) and len({type(entry) for entry in given}) > 1:
        text = "`input` must be a list of texts, of token ids, or of lists of token ids, not a mixture."
        raise RequestError("invalid_type", text, param="input")
    inputs = parsed.request.inputs
    if len(inputs) > MAX_INPUTS:
        raise RequestError("invalid_value", f"`input` must have at most {MAX_INPUTS} inputs.", param="input")
    for index, entry in enumerate(inputs):
        if not entry:
            param = "input" if isinstance(given, str) or isinstance(given[0], int) else f"input[{index}]"
            raise RequestError("invalid_value", f"`{param}` is empty.", param=param)
    return parsed


def parse_rerank_request(body: bytes | bytearray) -> ParsedRequest[RerankRequest]:
    """Read the body of `POST /v1/rerank`. Raises `RequestError` 400 or 422."""
    return _parse(body, RerankRequest)


def _parse(body: bytes | bytearray, kind: type[R]) -> ParsedRequest[R]:
    fields = read_fields(body)
    return ParsedRequest(*convert_fields(fields, kind))
