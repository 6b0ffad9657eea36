"""`POST /v1/responses` as an API of completions."""

from typing import Final

from forefront.server.responses.response_encoder import ResponsesEncoder
from forefront.server.routes.completions import CompletionApi
from forefront.wire.errors import ApiError
from forefront.wire.responses.chat_request import ParsedResponse, to_chat_request
from forefront.wire.responses.parse import parse_request

_STORED: Final = ("store", "previous_response_id", "conversation", "background")


def parse_response_request(body: bytes | bytearray) -> ParsedResponse:
    """The chat request of a body. Raises `ApiError` (400, 422)."""
    request, ignored = parse_request(body)
    for name in _STORED:
        if getattr(request, name):
            raise ApiError("unsupported_parameter", f"`{name}` is not supported: nothing is stored here.", param=name)
    return to_chat_request(request, ignored)


RESPONSES: Final[CompletionApi[ParsedResponse]] = CompletionApi(parse_response_request, ResponsesEncoder)
