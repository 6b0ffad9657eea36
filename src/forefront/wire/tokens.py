"""`POST /v1/tokenize` and `POST /v1/detokenize`: requests, their parsers, and responses."""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from forefront.wire.errors import ApiError
from forefront.wire.message import Message
from forefront.wire.message_validation import check_conversation
from forefront.wire.parse import ParsedRequest, read_fields
from forefront.wire.record import Record
from forefront.wire.request import ChatRequest, NonEmpty, TokenId
from forefront.wire.tools import MAX_TOOLS, Tool
from forefront.wire.unknown_fields import ignored_fields
from forefront.wire.validation_errors import validation_error

# Characters of a text, and ids of a list: more than any context holds.
MAX_TEXT: Final = 2**20
MAX_TOKENS: Final = 2**20


class TokenizeRequest(msgspec.Struct, kw_only=True):
    """A text (`prompt`), or a conversation that is rendered with the model's chat template (`messages`, `tools`).

    With `add_special_tokens`, the default, a text gets the tokens that the model expects at the beginning of a prompt,
    as in `POST /v1/completions`. `return_token_strs` adds the text of each token. `content` and `add_special` are
    llama.cpp's names for `prompt` and `add_special_tokens`.
    """

    model: NonEmpty
    prompt: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=4096)] | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None

    @property
    def conversation(self) -> ChatRequest | None:
        """The messages as a request for an answer."""
        if self.messages is None:
            return None
        return ChatRequest(model=self.model, messages=self.messages, tools=self.tools)


class DetokenizeRequest(msgspec.Struct, kw_only=True):
    """Token ids of a model."""

    model: NonEmpty
    tokens: Annotated[list[TokenId], Meta(max_length=MAX_TOKENS)]


class TokenizeResult(Record, kw_only=True, omit_defaults=True):
    """The ids of the tokens and their number (`count`). `max_model_len` is the model's context in tokens. In
    `token_strs` the text of a control token is its name; bytes that are no whole character show as U+FFFD."""

    model: str
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeResult(Record, kw_only=True):
    """The text of the tokens, control tokens by their names. `content` is llama.cpp's name for `prompt`."""

    model: str
    prompt: str
    content: str


_ALIASES: Final = {"content": "prompt", "add_special": "add_special_tokens", "with_pieces": "return_token_strs"}

T = TypeVar("T", TokenizeRequest, DetokenizeRequest)


def parse_tokenize_request(body: bytes | bytearray) -> ParsedRequest[TokenizeRequest]:
    """Read the body of `POST /v1/tokenize`. Raises `ApiError` 400 or 422."""
    parsed = _parse(body, TokenizeRequest)
    request = parsed.request
    if (request.prompt is None) == (request.messages is None):
        if request.prompt is None:
            raise ApiError("missing_parameter", "`prompt` or `messages` is required.", param="prompt")
        text = "`prompt` and `messages` exclude each other: send one of them."
        raise ApiError("invalid_value", text, param="prompt")
    if request.messages is None:
        if request.tools is not None:
            raise ApiError("invalid_value", "`tools` needs `messages`.", param="tools")
        return parsed
    if request.add_special_tokens is not None:
        text = "`add_special_tokens` is for `prompt`: with `messages`, the chat template decides."
        raise ApiError("invalid_value", text, param="add_special_tokens")
    check_conversation(request.messages)
    return parsed


def parse_detokenize_request(body: bytes | bytearray) -> ParsedRequest[DetokenizeRequest]:
    """Read the body of `POST /v1/detokenize`. Raises `ApiError` 400 or 422."""
    return _parse(body, DetokenizeRequest)


def _parse(body: bytes | bytearray, kind: type[T]) -> ParsedRequest[T]:
    fields = read_fields(body)
    for alias, name in _ALIASES.items():
        if kind is TokenizeRequest and alias in fields and name not in fields:
            fields[name] = fields.pop(alias)
    ignored = ignored_fields(fields, kind)
    try:
        return ParsedRequest(msgspec.convert(fields, kind), ignored)
    except msgspec.ValidationError as error:
        raise validation_error(str(error)) from None
