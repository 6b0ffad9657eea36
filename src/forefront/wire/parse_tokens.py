"""The bodies of `POST /v1/tokenize` and `POST /v1/detokenize` as requests; an error names the field."""

from typing import Final, TypeVar

from forefront.wire.completions.message_validation import check_conversation
from forefront.wire.completions.parse import ParsedRequest, convert_fields, read_fields
from forefront.wire.errors import RequestError
from forefront.wire.tokens import DetokenizeRequest, TokenizeRequest

_ALIASES: Final = {"content": "prompt", "add_special": "add_special_tokens", "with_pieces": "return_token_strs"}

T = TypeVar("T", TokenizeRequest, DetokenizeRequest)


def parse_tokenize_request(body: bytes | bytearray) -> ParsedRequest[TokenizeRequest]:
    """Read the body of `POST /v1/tokenize`. Raises `RequestError` 400 or 422."""
    parsed = _parse(body, TokenizeRequest)
    request = parsed.request
    if (request.prompt is None) == (request.messages is None):
        if request.prompt is None:
            raise RequestError("missing_parameter", "`prompt` or `messages` is required.", param="prompt")
        text = "`prompt` and `messages` exclude each other: send one of them."
        raise RequestError("invalid_value", text, param="prompt")
    if request.messages is None:
        if request.tools is not None:
            raise RequestError("invalid_value", "`tools` needs `messages`.", param="tools")
        return parsed
    if request.add_special_tokens is not None:
        text = "`add_special_tokens` is for `prompt`: with `messages`, the chat template decides."
        raise RequestError("invalid_value", text, param="add_special_tokens")
    check_conversation(request.messages)
    return parsed


def parse_detokenize_request(body: bytes | bytearray) -> ParsedRequest[DetokenizeRequest]:
    """Read the body of `POST /v1/detokenize`. Raises `RequestError` 400 or 422."""
    return _parse(body, DetokenizeRequest)


def _parse(body: bytes | bytearray, kind: type[T]) -> ParsedRequest[T]:
    fields = read_fields(body)
    for alias, name in _ALIASES.items():
        if kind is TokenizeRequest and alias in fields and name not in fields:
            fields[name] = fields.pop(alias)
    return ParsedRequest(*convert_fields(fields, kind))
