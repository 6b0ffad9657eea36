"""The operations of completions, embeddings and reranking."""

from typing import Final

from forefront.server.openapi.operation import LIMITS, NOT_FOUND, PROMPT, STORE, Operation, PathId
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.completions.response import (
    CancelledCompletion,
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    Preflight,
)
from forefront.wire.embeddings import EmbeddingList, EmbeddingRequest, RerankRequest, RerankResult

CONVERSATION: Final = {
    "model": "forefront-mini",
    "messages": [{"role": "user", "content": "Write a recipe for an italian dinner"}],
    "max_tokens": 128,
}
TEXT: Final = {"model": "forefront-mini", "prompt": "Once upon a time", "max_tokens": 32}

COMPLETION_OPERATIONS: Final = (
    Operation(
        method="POST", path="/v1/chat/completions", group="Completions", name="createChatCompletion", scope="chat",
        summary="Answer a conversation",
        description="Whole as JSON, or with `stream` as server-sent events, the last of which is `data: [DONE]`. An "
        "error in the middle of a stream is an event with an error body, and no `[DONE]` follows. Lines that begin "
        "with a colon are comments.",
        body=ChatRequest, example=CONVERSATION, answer=ChatCompletion,
        stream=ChatCompletionChunk, idempotent=True, errors=PROMPT + LIMITS,
    ),
    Operation(
        method="POST", path="/v1/chat/completions/preflight", group="Completions", name="preflightChatCompletion",
        scope="chat", summary="Check a conversation without answering it",
        description="The prompt after the template, its tokens, whether it fits and how much of it is cached. It costs "
        "nothing, but counts as a request towards limits.",
        body=ChatRequest, example=CONVERSATION, answer=Preflight,
        errors=(*PROMPT, "rate_limit_exceeded", "shutting_down", *STORE),
    ),
    Operation(
        method="POST", path="/v1/chat/completions/{id}/cancel", group="Completions", name="cancelChatCompletion",
        scope="chat", summary="End a running completion",
        description="Its stream ends with the error `request_cancelled`. For any key of its project.",
        answer=CancelledCompletion, path_types={"id": PathId}, errors=NOT_FOUND,
    ),
    Operation(
        method="POST", path="/v1/completions", group="Completions", name="createCompletion", scope="chat",
        summary="Continue a text",
        description="Whole as JSON, or with `stream` as server-sent events, the last of which is `data: [DONE]`.",
        body=CompletionRequest, example=TEXT, answer=Completion,
        stream=Completion, idempotent=True, errors=PROMPT + LIMITS,
    ),
    Operation(
        method="POST", path="/v1/embeddings", group="Embeddings", name="createEmbeddings", scope="chat",
        summary="Turn texts into vectors", body=EmbeddingRequest,
        example={"model": "nomic-embed", "input": ["Once upon a time"]}, answer=EmbeddingList, idempotent=True,
        errors=PROMPT + LIMITS,
    ),
    Operation(
        method="POST", path="/v1/rerank", group="Embeddings", name="rerank", scope="chat",
        summary="Order documents by relevance for a query", body=RerankRequest,
        example={"model": "bge-reranker", "query": "pasta", "documents": ["A recipe", "A song"]}, answer=RerankResult,
        idempotent=True, errors=PROMPT + LIMITS,
    ),
)  # fmt: skip
