"""Building calls: what is asked of the server, as plain data."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import msgspec

from forefront.client.resources.params import ChatParams, MessageLike, TextParams
from forefront.client.settings import Settings, Timeout, settle_timeout

_CHAT: Final = ChatParams.__optional_keys__
_TEXT: Final = TextParams.__optional_keys__
_OWN: Final = frozenset({"extra_body", "extra_headers", "timeout", "idempotency_key"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request, but for what every request of a client has in common. Every try of it is the same."""

    method: str
    path: str
    body: bytes | None
    stream: bool
    timeout: Timeout
    idempotency_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def chat_call(
    settings: Settings, messages: Iterable[MessageLike], stream: bool | None, params: Mapping[str, Any]
) -> Call:
    """The call that asks for a chat completion.

    Raises `TypeError` for an unknown, missing or unsendable argument, and `ValueError` for a number that JSON lacks.
    """
    if isinstance(messages, str | bytes | Mapping):
        raise TypeError('`messages` must be a list of messages: [{"role": "user", "content": "…"}]')
    return _post(settings, "/v1/chat/completions", {"messages": list(messages)}, stream, params, _CHAT)


def stream_call(settings: Settings, messages: Iterable[MessageLike], params: Mapping[str, Any]) -> Call:
    """The call that asks for a stream to be put together: with the usage, unless told otherwise."""
    options = params.get("stream_options") or {"include_usage": True}
    return chat_call(settings, messages, True, {**params, "stream_options": options})


def preflight_call(settings: Settings, messages: Iterable[MessageLike], params: Mapping[str, Any]) -> Call:
    """The call that asks what a chat completion would meet. Raises as `chat_call` does."""
    call = chat_call(settings, messages, None, params)
    return Call(
        call.method, call.path + "/preflight", call.body, False, call.timeout, call.idempotency_key, call.headers
    )


def text_call(settings: Settings, prompt: object, stream: bool | None, params: Mapping[str, Any]) -> Call:
    """The call that asks for a text to be continued. Raises as `chat_call` does."""
    if isinstance(prompt, bytes | Mapping) or not isinstance(prompt, str | Sequence):
        raise TypeError("`prompt` must be a text, or a list of texts or of token ids")
    return _post(settings, "/v1/completions", {"prompt": prompt}, stream, params, _TEXT)


def list_models_call(settings: Settings) -> Call:
    """The call that lists the models."""
    return Call("GET", "/v1/models", None, stream=False, timeout=settings.timeout)


def retrieve_model_call(settings: Settings, model: str) -> Call:
    """The call that describes one model. Raises `ValueError` for an empty name, which would list them all."""
    if not model:
        raise ValueError("`model` must not be empty")
    return Call("GET", f"/v1/models/{quote(model, safe='')}", None, stream=False, timeout=settings.timeout)


def _post(
    settings: Settings,
    path: str,
    own: dict[str, Any],
    stream: bool | None,
    params: Mapping[str, Any],
    known: frozenset[str],
) -> Call:
    _check_names(params, known)
    fields = own | {name: value for name, value in params.items() if name not in _OWN and value is not None}
    fields["model"] = params.get("model") or settings.default_model
    if not fields["model"]:
        raise TypeError("create() needs `model=`, because the client has no `default_model`")
    if stream is not None:
        fields["stream"] = stream
    return Call(
        method="POST",
        path=path,
        body=_encode(fields | _extra(params.get("extra_body"), fields)),
        stream=bool(stream),
        timeout=settle_timeout(params["timeout"]) if "timeout" in params else settings.timeout,
        idempotency_key=params.get("idempotency_key") or f"ff-{os.urandom(16).hex()}",
        headers=dict(params.get("extra_headers") or {}),
    )


def _check_names(params: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in params:
        if name not in known:
            from difflib import get_close_matches  # rarely needed, and slow to import

            near = get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "put fields that this SDK does not know into `extra_body`"
            raise TypeError(f"create() has no parameter `{name}`; {hint}")


def _extra(extra: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    extra = dict(extra or {})
    for name in extra:
        # `stream` decides how the answer is read, so it has to come by its own name.
        if name in fields or name == "stream":
            raise TypeError(f"`{name}` is a parameter of create(); leave it out of `extra_body`")
    return extra


def _encode(fields: dict[str, Any]) -> bytes:
    _check_numbers(fields)
    return msgspec.json.encode(fields, enc_hook=_plain)


def _check_numbers(fields: Mapping[str, Any]) -> None:
    """JSON has no NaN, and the encoder would write null: a value left out instead of an error."""
    for name, value in fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"`{name}` must be a finite number, not {value}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    raise TypeError(f"an argument holds what JSON cannot: an object of type {type(value).__name__}")
