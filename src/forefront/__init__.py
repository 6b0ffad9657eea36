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

from forefront.client.chat_stream import AsyncChatStream, ChatStream
from forefront.client.client import AsyncForefrontClient, ForefrontClient
from forefront.client.exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ForefrontError,
    InternalServerError,
    InvalidArgumentError,
    NotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from forefront.client.resources.message_params import (
    AssistantMessageParam,
    GrammarParam,
    MessageParam,
    ResponseFormatParam,
    SystemMessageParam,
    ToolCallParam,
    ToolChoiceParam,
    ToolMessageParam,
    ToolParam,
    UserMessageParam,
)
from forefront.client.resources.raw_response import RawResponse
from forefront.client.settings import Timeout
from forefront.client.stream import AsyncStream, Stream
from forefront.client.structured import ParsedCompletion
from forefront.wire.completions.response import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    ChunkChoice,
    Completion,
    CompletionChoice,
    Preflight,
    ResponseMessage,
    Usage,
)
from forefront.wire.completions.tools import ToolCall
from forefront.wire.embeddings import Embedding, EmbeddingList, RankedDocument, RerankResult
from forefront.wire.models import Model, ModelList
from forefront.wire.receipt import Receipt
from forefront.wire.responses.conversation_records import Conversation
from forefront.wire.responses.events import ResponseStreamEvent
from forefront.wire.responses.item_list import ItemList
from forefront.wire.responses.response import Response
from forefront.wire.tokens import DetokenizeResult, TokenizeResult

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
