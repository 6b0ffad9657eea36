"""The span of a request to a model, by OpenTelemetry's semantic conventions for generative AI.

It holds sizes and settings, and never a prompt, an answer or another text of the client.
"""

from forefront.gateway.request_lease import Lease
from forefront.observability.tracing import AttributeValue
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.embeddings import EmbeddingRequest, RerankRequest

_SETTINGS = ("max_tokens", "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed")


def start_span(lease: Lease, request: ChatRequest | CompletionRequest) -> None:
    """Start the span of `request`, which ends with the lease."""
    operation = "chat" if isinstance(request, ChatRequest) else "text_completion"
    attributes: dict[str, AttributeValue] = {"gen_ai.request.stream": bool(request.stream)}
    for name in _SETTINGS:
        if (value := getattr(request, name)) is not None:
            attributes[f"gen_ai.request.{name}"] = value
    if request.n is not None and request.n > 1:
        attributes["gen_ai.request.choice.count"] = request.n
    _start(lease, operation, attributes)


def start_embedding_span(lease: Lease, request: EmbeddingRequest | RerankRequest) -> None:
    """Start the span of a request for vectors or a ranking, which ends with the lease."""
    if isinstance(request, RerankRequest):
        _start(lease, "rerank", {})
        return
    attributes: dict[str, AttributeValue] = {"gen_ai.request.encoding_formats": [request.encoding_format or "float"]}
    if request.dimensions is not None:
        attributes["gen_ai.embeddings.dimension.count"] = request.dimensions
    _start(lease, "embeddings", attributes)


def _start(lease: Lease, operation: str, attributes: dict[str, AttributeValue]) -> None:
    common: dict[str, AttributeValue] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "forefront",
        "gen_ai.request.model": lease.model,
        "gen_ai.response.model": lease.model,
        "gen_ai.response.id": lease.completion_id,
        "forefront.project": lease.project,
    }
    lease.recorder.start_span(f"{operation} {lease.model}", common | attributes)
