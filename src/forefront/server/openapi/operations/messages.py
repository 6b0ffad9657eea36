"""The operations of messages."""

from typing import Final

from forefront.server.openapi.operation import LIMITS, PROMPT, TOKENS, Operation
from forefront.wire.messages.errors import MessagesErrorBody, messages_status
from forefront.wire.messages.events import MessageStreamEvent
from forefront.wire.messages.request import CountTokensRequest, MessagesRequest
from forefront.wire.messages.response import AssistantMessage, TokenCount

MESSAGE: Final = {
    "model": "forefront-mini",
    "messages": [{"role": "user", "content": "Write a recipe for an italian dinner"}],
    "max_tokens": 128,
}

MESSAGE_OPERATIONS: Final = (
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
)  # fmt: skip
