"""The span of a request to a model, by OpenTelemetry's semantic conventions for generative AI.

It holds sizes and settings, and never a prompt, an answer or another text of the client.
"""

from forefront.gateway.request_lease import Lease
from forefront.observability.tracing import AttributeValue
from forefront.wire.completions.request import ChatRequest, CompletionRequest

_SETTINGS = ("max_tokens", "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed")


def start_span(lease: Lease, request: ChatRequest | CompletionRequest) -> None:
    """Start the span of `request`, which ends with the lease."""
    operation = "chat" if isinstance(request, ChatRequest) else "text_completion"
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "forefront",
        "gen_ai.request.model": lease.model,
        "gen_ai.response.model": lease.model,
        "gen_ai.response.id": lease.completion_id,
        "gen_ai.request.stream": bool(request.stream),
        "forefront.project": lease.project,
    }
    for name in _SETTINGS:
        if (value := getattr(request, name)) is not None:
            attributes[f"gen_ai.request.{name}"] = value
    if request.n is not None and request.n > 1:
        attributes["gen_ai.request.choice.count"] = request.n
    lease.recorder.start_span(f"{operation} {lease.model}", attributes)
