"""Every operation of the server. A test holds this table against the application's routes."""

from typing import Annotated, Final

from msgspec import Meta

from forefront.server.openapi.operation import LIMITS, PROMPT, STORE, Operation
from forefront.wire.admin.history import BudgetList, KeyLimits, RecentRequests, UsageHistory
from forefront.wire.admin.parse import HistoryQuery, ReportQuery
from forefront.wire.admin.records import (
    CompletionUsage,
    Key,
    KeyList,
    MadeKey,
    ModelStatus,
    NewKey,
    Project,
    ProjectList,
    ProjectName,
    ProjectSettings,
    Reload,
    ServerStatus,
    UsageReport,
)
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.completions.response import (
    CancelledCompletion,
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    Health,
    Model,
    ModelList,
    Preflight,
)
from forefront.wire.embeddings import EmbeddingList, EmbeddingRequest, RerankRequest, RerankResult
from forefront.wire.messages.errors import MessagesErrorBody, messages_status
from forefront.wire.messages.events import MessageStreamEvent
from forefront.wire.messages.request import CountTokensRequest, MessagesRequest
from forefront.wire.messages.response import AssistantMessage, TokenCount
from forefront.wire.responses.conversation import (
    ConversationChange,
    NewConversation,
    NewItems,
)
from forefront.wire.responses.conversation_records import Conversation, DeletedConversation
from forefront.wire.responses.events import ResponseStreamEvent
from forefront.wire.responses.item_list import DeletedResponse, ItemList, ListedItem
from forefront.wire.responses.queries import IncludeQuery, ItemsQuery, RetrieveQuery
from forefront.wire.responses.request import ResponsesRequest
from forefront.wire.responses.response import InputTokenCount, Response
from forefront.wire.tokens import DetokenizeRequest, DetokenizeResult, TokenizeRequest, TokenizeResult

TOKENS: Final = (*PROMPT, "rate_limit_exceeded", "shutting_down", *STORE)
MODEL: Final = ("model_not_found", "model_unavailable", "shutting_down", "unknown_url")
QUERY: Final = ("invalid_type", "invalid_value", "unknown_parameter")
CONVERSATIONS: Final = ("unsupported_parameter", "storage_full", "rate_limit_exceeded", "shutting_down", *STORE)
NOT_FOUND: Final = ("not_found", "unknown_url")
CONVERSATION: Final = {
    "model": "forefront-mini",
    "messages": [{"role": "user", "content": "Write a recipe for an italian dinner"}],
    "max_tokens": 128,
}
TEXT: Final = {"model": "forefront-mini", "prompt": "Once upon a time", "max_tokens": 32}
RESPONSE: Final = {"model": "forefront-mini", "input": "Write a recipe for an italian dinner", "max_output_tokens": 128}
MESSAGE: Final = {
    "model": "forefront-mini",
    "messages": [{"role": "user", "content": "Write a recipe for an italian dinner"}],
    "max_tokens": 128,
}
Id = Annotated[str, Meta(min_length=1)]

OPERATIONS: Final = (
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
        answer=CancelledCompletion, path_types={"id": Id}, errors=NOT_FOUND,
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
    Operation(
        method="POST", path="/v1/responses", group="Responses", name="createResponse", scope="chat",
        summary="Answer a conversation as a response",
        description="Whole as JSON, or with `stream` as typed server-sent events. The last one is "
        "`response.completed`, `response.incomplete`, `response.failed` or `error`.",
        body=ResponsesRequest, example=RESPONSE, answer=Response, stream=ResponseStreamEvent, done=False,
        idempotent=True, errors=(*PROMPT, *LIMITS, "not_found", "storage_full", "request_cancelled"),
    ),
    Operation(
        method="POST", path="/v1/responses/input_tokens", group="Responses", name="countInputTokens", scope="chat",
        summary="Count the tokens of a response's input",
        description="It costs nothing, but counts as a request towards limits. Stored items are not counted.",
        body=ResponsesRequest, example={name: value for name, value in RESPONSE.items() if name != "max_output_tokens"},
        answer=InputTokenCount, errors=TOKENS,
    ),
    Operation(
        method="GET", path="/v1/responses/{id}", group="Responses", name="retrieveResponse", scope="chat",
        summary="A stored response",
        description="With `stream`, the events of a response in the background that was created with `stream`.",
        answer=Response, stream=ResponseStreamEvent, done=False, query=RetrieveQuery, path_types={"id": Id},
        errors=(*NOT_FOUND, *QUERY, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="DELETE", path="/v1/responses/{id}", group="Responses", name="deleteResponse", scope="chat",
        summary="Delete a stored response", description="One in the background is cancelled first.",
        answer=DeletedResponse, path_types={"id": Id}, errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/responses/{id}/cancel", group="Responses", name="cancelResponse", scope="chat",
        summary="Cancel a response in the background", description="One that has ended is returned as it is.",
        answer=Response, path_types={"id": Id}, errors=(*NOT_FOUND, "invalid_value", "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="GET", path="/v1/responses/{id}/input_items", group="Responses", name="listInputItems", scope="chat",
        summary="The items of a stored response's input", description="Without those of the responses before it.",
        answer=ItemList, query=ItemsQuery, path_types={"id": Id},
        errors=(*NOT_FOUND, *QUERY, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/conversations", group="Conversations", name="createConversation", scope="chat",
        summary="Make a conversation", description="Responses continue it by its id, which is their `conversation`.",
        body=NewConversation, example={"metadata": {"topic": "dinner"}}, answer=Conversation, idempotent=True,
        errors=CONVERSATIONS,
    ),
    Operation(
        method="GET", path="/v1/conversations/{id}", group="Conversations", name="retrieveConversation", scope="chat",
        summary="A conversation", answer=Conversation, path_types={"id": Id},
        errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/conversations/{id}", group="Conversations", name="updateConversation", scope="chat",
        summary="Replace the metadata of a conversation", body=ConversationChange,
        example={"metadata": {"topic": "dinner"}}, answer=Conversation, path_types={"id": Id},
        errors=(*NOT_FOUND, *CONVERSATIONS),
    ),
    Operation(
        method="DELETE", path="/v1/conversations/{id}", group="Conversations", name="deleteConversation", scope="chat",
        summary="Delete a conversation", description="With its items.", answer=DeletedConversation,
        path_types={"id": Id}, errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="GET", path="/v1/conversations/{id}/items", group="Conversations", name="listConversationItems",
        scope="chat", summary="The items of a conversation", answer=ItemList, query=ItemsQuery, path_types={"id": Id},
        errors=(*NOT_FOUND, *QUERY, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/conversations/{id}/items", group="Conversations", name="createConversationItems",
        scope="chat", summary="Append items to a conversation", body=NewItems,
        example={"items": [{"role": "user", "content": "Write a recipe"}]}, answer=ItemList, query=IncludeQuery,
        path_types={"id": Id}, idempotent=True, errors=(*NOT_FOUND, *CONVERSATIONS),
    ),
    Operation(
        method="GET", path="/v1/conversations/{id}/items/{item}", group="Conversations",
        name="retrieveConversationItem", scope="chat", summary="An item of a conversation", answer=ListedItem,
        query=IncludeQuery, path_types={"id": Id, "item": Id},
        errors=(*NOT_FOUND, *QUERY, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="DELETE", path="/v1/conversations/{id}/items/{item}", group="Conversations",
        name="deleteConversationItem", scope="chat", summary="Delete an item of a conversation",
        description="Returns the conversation.", answer=Conversation, path_types={"id": Id, "item": Id},
        errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/messages", group="Messages", name="createMessage", scope="chat",
        summary="Answer a conversation as a message",
        description="Whole as JSON, or with `stream` as typed server-sent events. The last one is `message_stop` or "
        "`error`. The key may be in the header `x-api-key`.",
        body=MessagesRequest, example=MESSAGE, answer=AssistantMessage, stream=MessageStreamEvent, done=False,
        idempotent=True, errors=PROMPT + LIMITS, error=MessagesErrorBody, status_of=messages_status,
    ),
    Operation(
        method="POST", path="/v1/messages/count_tokens", group="Messages", name="countMessageTokens", scope="chat",
        summary="Count the tokens of a conversation",
        description="It costs nothing, but counts as a request towards limits.",
        body=CountTokensRequest, example={name: value for name, value in MESSAGE.items() if name != "max_tokens"},
        answer=TokenCount, errors=TOKENS, error=MessagesErrorBody, status_of=messages_status,
    ),
    Operation(
        method="POST", path="/v1/tokenize", group="Tokens", name="tokenize", scope="chat",
        summary="The tokens of a text or a conversation",
        description="It costs nothing, but counts as a request towards limits.",
        body=TokenizeRequest, example={"model": "forefront-mini", "prompt": "Once upon a time"}, answer=TokenizeResult,
        errors=TOKENS,
    ),
    Operation(
        method="POST", path="/v1/detokenize", group="Tokens", name="detokenize", scope="chat",
        summary="The text of tokens", description="It costs nothing, but counts as a request towards limits.",
        body=DetokenizeRequest, example={"model": "forefront-mini", "tokens": [1, 2, 3]}, answer=DetokenizeResult,
        errors=TOKENS,
    ),
    Operation(
        method="GET", path="/v1/models", group="Models", name="listModels", scope="models",
        summary="Every model that the key may use",
        description="With the header `anthropic-version`, in the form of Anthropic's list, by pages.", answer=ModelList,
    ),
    Operation(
        method="GET", path="/v1/models/{id}", group="Models", name="retrieveModel", scope="models",
        summary="One model", answer=Model, path_types={"id": Id},
        errors=("model_not_allowed", "model_not_found", "unknown_url"),
    ),
    Operation(
        method="GET", path="/v1/usage/{id}", group="Usage", name="retrieveUsage",
        summary="The usage of one completion",
        description="Exact even if the client disconnected early. For keys of its project and for administrators, "
        "once the completion has ended.",
        answer=CompletionUsage, path_types={"id": Id}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="POST", path="/admin/keys", group="Administration", name="createKey", scope="admin",
        summary="Make a key", description="Only this response shows the key's text.",
        body=NewKey, example={"name": "mobile app", "limits": {"requests_per_minute": 60}},
        answer=MadeKey, status=201, errors=STORE,
    ),
    Operation(
        method="GET", path="/admin/keys", group="Administration", name="listKeys", scope="admin",
        summary="Every key", answer=KeyList, errors=STORE,
    ),
    Operation(
        method="GET", path="/admin/keys/{id}", group="Administration", name="retrieveKey", scope="admin",
        summary="One key", answer=Key, path_types={"id": Id}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="DELETE", path="/admin/keys/{id}", group="Administration", name="revokeKey", scope="admin",
        summary="Revoke a key", description="It stops working within half a second; its usage stays.",
        answer=Key, path_types={"id": Id}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="POST", path="/admin/keys/{id}/rotate", group="Administration", name="rotateKey", scope="admin",
        summary="Give a key a new text",
        description="The old text stops working within half a second, and stays in the list as a revoked key.",
        answer=MadeKey, path_types={"id": Id}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="PUT", path="/admin/keys/{id}/limits", group="Administration", name="setKeyLimits", scope="admin",
        summary="Change the limits of a key",
        description="Replaces all its limits and its budget. Defaults: no limits, no budget. They apply within half a "
        "second.",
        body=KeyLimits, example={"limits": {"requests_per_minute": 60}}, answer=Key,
        path_types={"id": Id}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="GET", path="/admin/projects", group="Administration", name="listProjects", scope="admin",
        summary="Every project", answer=ProjectList, errors=STORE,
    ),
    Operation(
        method="PUT", path="/admin/projects/{name}", group="Administration", name="setProject", scope="admin",
        summary="Make a project, or change one",
        description="Sets all settings. Defaults: no limits, no budget, a weight of 1.",
        body=ProjectSettings, example={"weight": 2}, answer=Project,
        path_types={"name": ProjectName}, errors=("unknown_url", *STORE),
    ),
    Operation(
        method="GET", path="/admin/usage", group="Administration", name="reportUsage", scope="admin",
        summary="Sums of usage", query=ReportQuery, answer=UsageReport,
        errors=("invalid_type", "invalid_value", "unknown_parameter", *STORE),
    ),
    Operation(
        method="GET", path="/admin/history", group="Administration", name="usageHistory", scope="admin",
        summary="Usage over time", description="The last hour in memory, the last day and month from the ledger.",
        query=HistoryQuery, answer=UsageHistory, errors=("invalid_type", "invalid_value", "unknown_parameter", *STORE),
    ),
    Operation(
        method="GET", path="/admin/requests", group="Administration", name="recentRequests", scope="admin",
        summary="The slowest and the failed requests of the last hour",
        description="At most 20 and 200, without prompts and answers.", answer=RecentRequests,
    ),
    Operation(
        method="GET", path="/admin/budgets", group="Administration", name="listBudgets", scope="admin",
        summary="What is left of every budget", answer=BudgetList, errors=STORE,
    ),
    Operation(
        method="GET", path="/admin/status", group="Administration", name="status", scope="admin",
        summary="How busy the server is", answer=ServerStatus,
    ),
    Operation(
        method="POST", path="/admin/models/{name}/load", group="Administration", name="loadModel", scope="admin",
        summary="Load a model",
        description="Returns once it is loaded. A load that has failed is tried again at once.",
        answer=ModelStatus, path_types={"name": Id}, errors=MODEL,
    ),
    Operation(
        method="POST", path="/admin/models/{name}/unload", group="Administration", name="unloadModel", scope="admin",
        summary="Unload a model",
        description="Returns once its running requests have ended and it is unloaded. Later requests load it again.",
        answer=ModelStatus, path_types={"name": Id}, errors=("invalid_value", *MODEL),
    ),
    Operation(
        method="POST", path="/admin/reload", group="Administration", name="reloadSettings", scope="admin",
        summary="Read the settings again",
        description="Models, prices, the queue, the memory for models and the log level change at once. Invalid "
        "settings change nothing.",
        answer=Reload, errors=("invalid_value", "not_found"),
    ),
    Operation(
        method="GET", path="/health", group="Server", name="health", open=True,
        summary="Whether the process answers", answer=Health,
    ),
    Operation(
        method="GET", path="/ready", group="Server", name="ready", open=True,
        summary="Whether every loaded model generates tokens", answer=Health, errors=("not_ready",),
    ),
    Operation(
        method="GET", path="/metrics", group="Server", name="metrics", scope="metrics",
        summary="Metrics for Prometheus",
        description="In Prometheus' text format, or OpenMetrics if the header `accept` names it. For keys with the "
        "scope `metrics` or `admin`.",
        answer="text/plain",
    ),
    Operation(
        method="GET", path="/openapi.json", group="Server", name="openapi", open=True,
        summary="This document", answer="application/json",
    ),
    Operation(
        method="GET", path="/docs", group="Server", name="docs", open=True,
        summary="A page that shows this document", answer="text/html",
    ),
    Operation(
        method="GET", path="/", group="Server", name="playground", open=True,
        summary="A page to try the models on",
        description="Clients that do not accept `text/html` get a 404.", answer="text/html", errors=("unknown_url",),
    ),
    Operation(
        method="GET", path="/dashboard", group="Server", name="dashboard", open=True,
        summary="A page for administrators", answer="text/html",
    ),
    Operation(
        method="GET", path="/assets/{name}", group="Server", name="asset",
        summary="A file of the pages", description="The files that exist need no key.",
        answer="application/octet-stream", path_types={"name": Id}, errors=("unknown_url",),
    ),
)  # fmt: skip
