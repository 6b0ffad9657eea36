"""Lenient decoding of responses: newer servers, and servers of other projects, must not break a client.

Values that match the wire types are converted. Other parts stay plain JSON, and missing fields are None.
"""

import sys
from array import array
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args

import msgspec

from forefront.client.error_parsing import unexpected_response
from forefront.client.transport.response import HTTPResponse
from forefront.wire.completions.response import (
    CancelledCompletion,
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    Preflight,
)
from forefront.wire.embeddings import EmbeddingList, RerankResult
from forefront.wire.models import Model, ModelList
from forefront.wire.responses.conversation_records import Conversation, DeletedConversation
from forefront.wire.responses.events import FinalEvent, ResponseStreamEvent
from forefront.wire.responses.item_list import DeletedResponse, ItemList, ListedItem
from forefront.wire.responses.response import Response
from forefront.wire.tokens import DetokenizeResult, TokenizeResult

S = TypeVar("S", bound=msgspec.Struct)

_ALIASES: Final = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


def read_completion(response: HTTPResponse) -> ChatCompletion:
    """A chat completion. Raises `APIError` for another body."""
    return to_completion(_object(response, "choices", "a chat completion"))


def to_completion(body: dict[str, Any]) -> ChatCompletion:
    """A chat completion from a response's body, or from accumulated chunks. `body["choices"]` is a list."""
    for index, choice in enumerate(body["choices"]):
        if isinstance(choice, dict):
            choice.setdefault("index", index)
    if "message" not in body and body["choices"] and isinstance(body["choices"][0], dict):
        body["message"] = body["choices"][0].get("message")
    if isinstance(body.get("message"), dict):
        body["message"].setdefault("role", "assistant")
    _complete_usage(body)
    return _read(ChatCompletion, body)


def read_chunk(body: dict[str, Any]) -> ChatCompletionChunk:
    """One event of a stream."""
    _complete_usage(body)
    return _read(ChatCompletionChunk, body)


def read_text_completion(response: HTTPResponse) -> Completion:
    """A text completion. Raises `APIError` for another body."""
    return read_text_chunk(_object(response, "choices", "a completion"))


def read_text_chunk(body: dict[str, Any]) -> Completion:
    """One event of a stream of text."""
    _complete_usage(body)
    return _read(Completion, body)


def read_cancelled(response: HTTPResponse) -> CancelledCompletion:
    """A cancelled completion. Raises `APIError` for another body."""
    return _read(CancelledCompletion, _json_object(response, "id", "a cancelled completion"))


def read_preflight(response: HTTPResponse) -> Preflight:
    """A preflight. Raises `APIError` for another body."""
    return _read(Preflight, _json_object(response, "prompt_tokens", "a preflight"))


def _json_object(response: HTTPResponse, field: str, expected: str) -> dict[str, Any]:
    body = response.json()
    if not isinstance(body, dict) or field not in body:
        raise unexpected_response(response, expected)
    return body


def read_embeddings(response: HTTPResponse) -> EmbeddingList:
    """Vectors as lists of numbers. Raises `APIError` for another body."""
    body = _object(response, "data", "embeddings")
    for entry in body["data"]:
        if isinstance(entry, dict) and isinstance(entry.get("embedding"), str):
            entry["embedding"] = _numbers(response, entry["embedding"])
    return _read(EmbeddingList, body)


def read_ranking(response: HTTPResponse) -> RerankResult:
    """A ranking. Raises `APIError` for another body."""
    return _read(RerankResult, _object(response, "results", "a ranking"))


def read_tokenized(response: HTTPResponse) -> TokenizeResult:
    """The tokens of a text. Raises `APIError` for another body."""
    return _read(TokenizeResult, _object(response, "tokens", "tokens"))


def read_detokenized(response: HTTPResponse) -> DetokenizeResult:
    """The text of tokens. Raises `APIError` for another body."""
    return _read(DetokenizeResult, _json_object(response, "prompt", "a text"))


def read_response(response: HTTPResponse) -> Response:
    """A response of the Responses API. Raises `APIError` for another body."""
    return _read(Response, _object(response, "output", "a response"))


def read_response_event(body: dict[str, Any]) -> Any:
    """One event of a response's stream; the JSON of an unknown type."""
    return _lenient(ResponseStreamEvent, body)


def is_last_event(event: Any) -> bool:
    """Whether the event is the last of a response's stream."""
    return isinstance(event, get_args(FinalEvent))


def read_deleted_response(response: HTTPResponse) -> DeletedResponse:
    """The confirmation of a deletion. Raises `APIError` for another body."""
    return _read(DeletedResponse, _json_object(response, "id", "a deleted response"))


def read_item_list(response: HTTPResponse) -> ItemList:
    """A page of items. Raises `APIError` for another body."""
    return _read(ItemList, _object(response, "data", "a list of items"))


def read_item(response: HTTPResponse) -> Any:
    """One item; the JSON of an unknown type. Raises `APIError` for another body."""
    return _lenient(ListedItem, _json_object(response, "id", "an item"))


def read_conversation(response: HTTPResponse) -> Conversation:
    """A conversation. Raises `APIError` for another body."""
    return _read(Conversation, _json_object(response, "id", "a conversation"))


def read_deleted_conversation(response: HTTPResponse) -> DeletedConversation:
    """The confirmation of a deletion. Raises `APIError` for another body."""
    return _read(DeletedConversation, _json_object(response, "id", "a deleted conversation"))


def read_models(response: HTTPResponse) -> ModelList:
    """The list of models. Raises `APIError` for another body."""
    return _read(ModelList, _object(response, "data", "a list of models"))


def read_model(response: HTTPResponse) -> Model:
    """One model. Raises `APIError` for another body."""
    body = response.json()
    if not isinstance(body, dict) or "id" not in body:
        raise unexpected_response(response, "a model")
    return _read(Model, body)


def _numbers(response: HTTPResponse, text: str) -> list[float]:
    """The little-endian float32 numbers that `text` holds in base64."""
    try:
        numbers = array("f", b64decode(text, validate=True))
    except ValueError:
        raise unexpected_response(response, "embeddings") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _object(response: HTTPResponse, list_name: str, what: str) -> dict[str, Any]:
    body = response.json()
    if isinstance(body, dict) and isinstance(body.get(list_name), list):
        return body
    raise unexpected_response(response, what)


def _complete_usage(body: dict[str, Any]) -> None:
    """Fill in the counts under both naming schemes (`prompt_tokens` and `input_tokens`)."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return
    for first, second in _ALIASES:
        for name, source in ((first, second), (second, first)):
            if usage.get(name) is None and usage.get(source) is not None:
                usage[name] = usage[source]
    counts = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
    if usage.get("total_tokens") is None and all(isinstance(count, int) for count in counts):
        usage["total_tokens"] = sum(counts)


def _read(kind: type[S], value: dict[str, Any]) -> S:
    result = _lenient(kind, value)
    assert isinstance(result, kind)  # every dict becomes a struct
    return result


def _lenient(kind: Any, value: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass
    if isinstance(value, Mapping) and (struct := _struct_in(kind, value)):
        return _lenient_struct(struct, value)
    if isinstance(value, list) and (item := _item_in(kind)):
        return [_lenient(item, entry) for entry in value]
    return value


def _lenient_struct(kind: type[msgspec.Struct], value: Mapping[str, Any]) -> Any:
    """`value` as a `kind`; unchanged if the struct's own check refuses it, as for a tool call without a function."""
    made: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in value:
            made[field.name] = _lenient(field.type, value[field.name])
        elif field.required:
            made[field.name] = None
    try:
        return kind(**made)
    except ValueError:
        return value


def _struct_in(kind: Any, value: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """The struct in `kind`, a struct or an optional one; of several, the one whose tag `value` has."""
    options = [o for o in (kind, *get_args(kind)) if isinstance(o, type) and issubclass(o, msgspec.Struct)]
    for option in options:
        config = option.__struct_config__
        if len(options) == 1 or config.tag_field is None or value.get(config.tag_field) == config.tag:
            return option
    return None


def _item_in(kind: Any) -> Any:
    """The item type of `kind`, a list or an optional one."""
    for option in (kind, *get_args(kind)):
        if getattr(option, "__origin__", None) is list:
            return get_args(option)[0]
    return None
