"""The command that a server shows at its first start: a request that its first model answers."""

import json
from typing import Any

from forefront.catalog.loading.served_model import ServedModel
from forefront.chat.local.embedding_backend import EmbeddingBackend
from forefront.chat.local.local_backend import LocalBackend

_QUESTION = "Write a recipe for an italian dinner"


def first_request(model: ServedModel, url: str, key: str) -> str:
    """A cURL command for the model, at the endpoint that it answers."""
    path, fields = _example(model)
    body = json.dumps({"model": model.name} | fields, ensure_ascii=False).replace("'", "'\\''")
    return f"""curl {url}{path} \\
    --header 'content-type: application/json' \\
    --header "authorization: Bearer {key}" \\
    --data '{body}'"""


def _example(model: ServedModel) -> tuple[str, dict[str, Any]]:
    backend = None if model.loaded is None else model.loaded.backend
    if isinstance(backend, EmbeddingBackend) and backend.ranks:
        return "/v1/rerank", {"query": "pasta", "documents": ["A recipe", "A song"]}
    if isinstance(backend, EmbeddingBackend):
        return "/v1/embeddings", {"input": _QUESTION}
    if isinstance(backend, LocalBackend) and not backend.takes_messages:
        return "/v1/completions", {"prompt": "Once upon a time", "max_tokens": 64}
    return "/v1/chat/completions", {"messages": [{"role": "user", "content": _QUESTION}]}
