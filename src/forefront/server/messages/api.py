"""`POST /v1/messages` as an API of completions, its `count_tokens` as a preflight, and its conventions."""

from typing import Final

import msgspec

from forefront.server.http.api_conventions import ApiConventions
from forefront.server.messages.message_encoder import MessageEncoder
from forefront.server.routes.completions import CompletionApi
from forefront.server.routes.preflight import PreflightApi
from forefront.wire.errors import RequestError
from forefront.wire.messages.chat_request import ParsedMessage, parse_count_tokens_request, parse_messages_request
from forefront.wire.messages.errors import MessagesErrorBody, error_object, messages_status
from forefront.wire.messages.response import TokenCount

MESSAGES: Final[CompletionApi[ParsedMessage]] = CompletionApi(parse_messages_request, MessageEncoder)
COUNT_TOKENS: Final = PreflightApi(
    parse_count_tokens_request, lambda preflight: TokenCount(input_tokens=preflight.prompt_tokens)
)


def _encode_error(error: RequestError, request_id: str) -> bytes:
    return msgspec.json.encode(MessagesErrorBody(error=error_object(error), request_id=request_id))


MESSAGES_CONVENTIONS: Final = ApiConventions(
    encode_error=_encode_error,
    key_header=b"x-api-key",
    request_id_headers=(b"x-request-id", b"request-id"),
    status=messages_status,
    version_header=b"anthropic-version",
    shared_paths=("/v1/models", "/v1/v1", "/messages", "/models"),
)
