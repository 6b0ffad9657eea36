"""Reading answers, leniently: a newer server, or one of another make, must not break a client.

What fits the wire types is checked and converted. Where something does not fit, that part alone is passed on as it
came: fields that are missing are None, values of an unknown kind (`finish_reason: "tool_calls"`) are themselves.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args

import msgspec

from forefront.client.error_parsing import unreadable
from forefront.client.transport.response import Reply
from forefront.wire.response import ChatCompletion, ChatCompletionChunk, Completion, Model, ModelList, Preflight

S = TypeVar("S", bound=msgspec.Struct)

_SAME: Final = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


def read_completion(reply: Reply) -> ChatCompletion:
    """A whole answer. Raises `APIError` when the body is none."""
    return completion_of(_object(reply, "choices", "a chat completion"))


def completion_of(body: dict[str, Any]) -> ChatCompletion:
    """A whole answer from what was sent as one, or put together from chunks. `body["choices"]` is a list."""
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


def read_text(reply: Reply) -> Completion:
    """A continued text. Raises `APIError` when the body is none."""
    return read_text_chunk(_object(reply, "choices", "a completion"))


def read_text_chunk(body: dict[str, Any]) -> Completion:
    """One event of a stream of text."""
    _complete_usage(body)
    return _read(Completion, body)


def read_preflight(reply: Reply) -> Preflight:
    """What a request would meet. Raises `APIError` when the body does not say."""
    body = reply.json()
    if not isinstance(body, dict) or "prompt_tokens" not in body:
        raise unreadable(reply, "a preflight")
    return _read(Preflight, body)


def read_models(reply: Reply) -> ModelList:
    """The list of models. Raises `APIError` when the body is none."""
    return _read(ModelList, _object(reply, "data", "a list of models"))


def read_model(reply: Reply) -> Model:
    """One model. Raises `APIError` when the body is none."""
    body = reply.json()
    if not isinstance(body, dict) or "id" not in body:
        raise unreadable(reply, "a model")
    return _read(Model, body)


def _object(reply: Reply, list_name: str, what: str) -> dict[str, Any]:
    body = reply.json()
    if isinstance(body, dict) and isinstance(body.get(list_name), list):
        return body
    raise unreadable(reply, what)


def _complete_usage(body: dict[str, Any]) -> None:
    """Give the counts under both namings, whichever of the two the server uses."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return
    for one, other in _SAME:
        for name, source in ((one, other), (other, one)):
            if usage.get(name) is None and usage.get(source) is not None:
                usage[name] = usage[source]
    counts = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
    if usage.get("total_tokens") is None and all(isinstance(count, int) for count in counts):
        usage["total_tokens"] = sum(counts)


def _read(kind: type[S], value: dict[str, Any]) -> S:
    made = _lenient(kind, value)
    assert isinstance(made, kind)  # a dict becomes a struct whatever it holds
    return made


def _lenient(kind: Any, value: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass
    if isinstance(value, Mapping) and (struct := _struct_in(kind)):
        return _lenient_struct(struct, value)
    if isinstance(value, list) and (item := _item_in(kind)):
        return [_lenient(item, entry) for entry in value]
    return value


def _lenient_struct(kind: type[msgspec.Struct], value: Mapping[str, Any]) -> msgspec.Struct:
    made: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in value:
            made[field.name] = _lenient(field.type, value[field.name])
        elif field.required:
            made[field.name] = None
    return kind(**made)


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that `kind` is, or that it is or None."""
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _item_in(kind: Any) -> Any:
    """The type of the items of the list that `kind` is, or that it is or None."""
    for option in (kind, *get_args(kind)):
        if getattr(option, "__origin__", None) is list:
            return get_args(option)[0]
    return None
