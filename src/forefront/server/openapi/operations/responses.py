"""The operations of responses and conversations."""

from typing import Final

from forefront.server.openapi.operation import LIMITS, NOT_FOUND, PROMPT, QUERY, STORE, Operation, PathId
from forefront.wire.responses.conversation import ConversationChange, NewConversation, NewItems
from forefront.wire.responses.conversation_records import Conversation, DeletedConversation
from forefront.wire.responses.events import ResponseStreamEvent
from forefront.wire.responses.item_list import DeletedResponse, ItemList, ListedItem
from forefront.wire.responses.queries import IncludeQuery, ItemsQuery, RetrieveQuery
from forefront.wire.responses.request import ResponsesRequest
from forefront.wire.responses.response import Response

CONVERSATIONS: Final = ("unsupported_parameter", "storage_full", "rate_limit_exceeded", "shutting_down", *STORE)
RESPONSE: Final = {"model": "forefront-mini", "input": "Write a recipe for an italian dinner", "max_output_tokens": 128}

RESPONSE_OPERATIONS: Final = (
    Operation(
        method="POST", path="/v1/responses", group="Responses", name="createResponse", scope="chat",
        summary="Answer a conversation as a response",
        description="Whole as JSON, or with `stream` as typed server-sent events. The last one is "
        "`response.completed`, `response.incomplete`, `response.failed` or `error`.",
        body=ResponsesRequest, example=RESPONSE, answer=Response, stream=ResponseStreamEvent, done=False,
        idempotent=True, errors=(*PROMPT, *LIMITS, "not_found", "storage_full", "request_cancelled"),
    ),
    Operation(
        method="GET", path="/v1/responses/{id}", group="Responses", name="retrieveResponse", scope="chat",
        summary="A stored response",
        description="With `stream`, the events of a response in the background that was created with `stream`.",
        answer=Response, stream=ResponseStreamEvent, done=False, query=RetrieveQuery, path_types={"id": PathId},
        errors=(*NOT_FOUND, *QUERY, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="DELETE", path="/v1/responses/{id}", group="Responses", name="deleteResponse", scope="chat",
        summary="Delete a stored response", description="One in the background is cancelled first.",
        answer=DeletedResponse, path_types={"id": PathId}, errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/responses/{id}/cancel", group="Responses", name="cancelResponse", scope="chat",
        summary="Cancel a response in the background", description="One that has ended is returned as it is.",
        answer=Response, path_types={"id": PathId}, errors=(*NOT_FOUND, "invalid_value", "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="GET", path="/v1/responses/{id}/input_items", group="Responses", name="listInputItems", scope="chat",
        summary="The items of a stored response's input", description="Without those of the responses before it.",
        answer=ItemList, query=ItemsQuery, path_types={"id": PathId},
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
        summary="A conversation", answer=Conversation, path_types={"id": PathId},
        errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/conversations/{id}", group="Conversations", name="updateConversation", scope="chat",
        summary="Replace the metadata of a conversation", body=ConversationChange,
        example={"metadata": {"topic": "dinner"}}, answer=Conversation, path_types={"id": PathId},
        errors=(*NOT_FOUND, *CONVERSATIONS),
    ),
    Operation(
        method="DELETE", path="/v1/conversations/{id}", group="Conversations", name="deleteConversation", scope="chat",
        summary="Delete a conversation", description="With its items.", answer=DeletedConversation,
        path_types={"id": PathId}, errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="GET", path="/v1/conversations/{id}/items", group="Conversations", name="listConversationItems",
        scope="chat", summary="The items of a conversation", answer=ItemList, query=ItemsQuery,
        path_types={"id": PathId}, errors=(*NOT_FOUND, *QUERY, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="POST", path="/v1/conversations/{id}/items", group="Conversations", name="createConversationItems",
        scope="chat", summary="Append items to a conversation", body=NewItems,
        example={"items": [{"role": "user", "content": "Write a recipe"}]}, answer=ItemList, query=IncludeQuery,
        path_types={"id": PathId}, idempotent=True, errors=(*NOT_FOUND, *CONVERSATIONS),
    ),
    Operation(
        method="GET", path="/v1/conversations/{id}/items/{item}", group="Conversations",
        name="retrieveConversationItem", scope="chat", summary="An item of a conversation", answer=ListedItem,
        query=IncludeQuery, path_types={"id": PathId, "item": PathId},
        errors=(*NOT_FOUND, *QUERY, "rate_limit_exceeded", *STORE),
    ),
    Operation(
        method="DELETE", path="/v1/conversations/{id}/items/{item}", group="Conversations",
        name="deleteConversationItem", scope="chat", summary="Delete an item of a conversation",
        description="Returns the conversation.", answer=Conversation, path_types={"id": PathId, "item": PathId},
        errors=(*NOT_FOUND, "rate_limit_exceeded", *STORE),
    ),
)  # fmt: skip
