"""Forefront's Python SDK.

```python
from forefront import ForefrontClient

ff = ForefrontClient()  # FOREFRONT_API_KEY; FOREFRONT_BASE_URL, else http://127.0.0.1:8000
completion = ff.chat.completions.create(
    messages=[{"role": "user", "content": "Write a recipe for an italian dinner"}],
    model="MODEL_STRING",
)
print(completion.choices[0].message.content)
```
"""

import importlib
import typing

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AssistantMessageParam",
    "AsyncChatStream",
    "AsyncForefrontClient",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatStream",
    "Choice",
    "ChoiceDelta",
    "ChunkChoice",
    "Completion",
    "CompletionChoice",
    "ConflictError",
    "Conversation",
    "DetokenizeResult",
    "Embedding",
    "EmbeddingList",
    "ForefrontClient",
    "ForefrontError",
    "GrammarParam",
    "InternalServerError",
    "InvalidArgumentError",
    "ItemList",
    "MessageParam",
    "Model",
    "ModelList",
    "NotFoundError",
    "ParseError",
    "ParsedCompletion",
    "PermissionDeniedError",
    "Preflight",
    "RankedDocument",
    "RateLimitError",
    "RawResponse",
    "Receipt",
    "RerankResult",
    "Response",
    "ResponseFormatParam",
    "ResponseMessage",
    "ResponseStreamEvent",
    "Stream",
    "SystemMessageParam",
    "Timeout",
    "TokenizeResult",
    "ToolCall",
    "ToolCallParam",
    "ToolChoiceParam",
    "ToolMessageParam",
    "ToolParam",
    "UnprocessableEntityError",
    "Usage",
    "UserMessageParam",
]

if typing.TYPE_CHECKING:
    from forefront.client.public import *
else:

    def __getattr__(name: str) -> object:
        """Load the SDK when one of its names is used, because the server's commands use none."""
        if name in ("client", "wire"):
            return importlib.import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from forefront.client import public

        globals().update({public_name: getattr(public, public_name) for public_name in __all__})
        return getattr(public, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
