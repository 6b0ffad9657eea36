"""Forefront's Python SDK.

from forefront import ForefrontClient

ff = ForefrontClient()  # FOREFRONT_API_KEY; FOREFRONT_BASE_URL, else http://127.0.0.1:8000
completion = ff.chat.completions.create(
    messages=[{"role": "user", "content": "Write a recipe for an italian dinner"}],
    model="MODEL_STRING",
)
print(completion.choices[0].message.content)
"""

from forefront.client.client import AsyncForefrontClient, ForefrontClient
from forefront.client.exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ForefrontError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from forefront.client.stream import AsyncStream, Stream
from forefront.wire.response import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    ChunkChoice,
    Model,
    ModelList,
    ResponseMessage,
    Usage,
)

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncForefrontClient",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "ChatCompletion",
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "ChunkChoice",
    "ForefrontClient",
    "ForefrontError",
    "InternalServerError",
    "Model",
    "ModelList",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseMessage",
    "Stream",
    "UnprocessableEntityError",
    "Usage",
]
