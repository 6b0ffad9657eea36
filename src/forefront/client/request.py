"""Calls: requests as plain data, before anything is sent."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlencode

from forefront.client.exceptions import InvalidArgumentError
from forefront.client.json_body import encode_body
from forefront.client.resources.message_params import MessageParam
from forefront.client.resources.params import (
    ChatParams,
    EmbeddingParams,
    RequestParams,
    RerankParams,
    TextParams,
    TokenizeParams,
)
from forefront.client.settings import (
    ClientSettings,
    Timeout,
    check_header_value,
    check_headers,
    resolve_timeout,
)

_CHAT_PARAMS: Final = ChatParams.__optional_keys__
_TEXT_PARAMS: Final = TextParams.__optional_keys__
_CALL_OPTIONS: Final = frozenset({"extra_body", "extra_headers", "timeout", "idempotency_key"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request, without what all requests of a client share. Every attempt sends the same call."""

    method: str
    path: str
    body: bytes | None
    stream: bool
    timeout: Timeout
    idempotency_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def chat_call(
    settings: ClientSettings, messages: Iterable[MessageParam], stream: bool | None, params: Mapping[str, Any]
) -> Call:
    """The call for a chat completion. Raises `InvalidArgumentError`."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise InvalidArgumentError('`messages` must be a list of messages: [{"role": "user", "content": "…"}]')
    check_names(params, _CHAT_PARAMS)
    return post_call(settings, "/v1/chat/completions", {"messages": list(messages), **_stream_field(stream)}, params)


def stream_call(settings: ClientSettings, messages: Iterable[MessageParam], params: Mapping[str, Any]) -> Call:
    """The call for an accumulated stream. It requests the usage too, unless `stream_options` is given."""
    options = params.get("stream_options") or {"include_usage": True}
    return chat_call(settings, messages, True, {**params, "stream_options": options})


def cancel_call(settings: ClientSettings, completion_id: str) -> Call:
    """The call that ends a running chat completion. Raises `InvalidArgumentError` for an id that would change the
    path."""
    path = f"/v1/chat/completions/{path_part('completion_id', completion_id)}/cancel"
    return Call("POST", path, None, stream=False, timeout=settings.timeout)


def preflight_call(settings: ClientSettings, messages: Iterable[MessageParam], params: Mapping[str, Any]) -> Call:
    """The call that describes a chat completion without running it. Raises `InvalidArgumentError`."""
    call = chat_call(settings, messages, None, params)
    return replace(call, path=f"{call.path}/preflight")


def text_call(settings: ClientSettings, prompt: object, stream: bool | None, params: Mapping[str, Any]) -> Call:
    """The call for a text completion. Raises `InvalidArgumentError`."""
    if isinstance(prompt, bytes | Mapping) or not isinstance(prompt, str | Sequence):
        raise InvalidArgumentError("`prompt` must be a text, or a list of texts or of token ids")
    check_names(params, _TEXT_PARAMS)
    return post_call(settings, "/v1/completions", {"prompt": prompt, **_stream_field(stream)}, params)


def embedding_call(settings: ClientSettings, inputs: object, params: Mapping[str, Any]) -> Call:
    """The call for embeddings. Raises `InvalidArgumentError`."""
    if isinstance(inputs, bytes | Mapping) or not isinstance(inputs, str | Sequence):
        raise InvalidArgumentError("`input` must be a text, token ids, or a list of texts or of token ids")
    check_names(params, EmbeddingParams.__optional_keys__)
    # Base64 is a quarter of the size of numbers in decimals.
    encoding = params.get("encoding_format") or "base64"
    return post_call(settings, "/v1/embeddings", {"input": inputs}, {**params, "encoding_format": encoding})


def rerank_call(settings: ClientSettings, query: str, documents: object, params: Mapping[str, Any]) -> Call:
    """The call for a ranking. Raises `InvalidArgumentError`."""
    if isinstance(documents, str | bytes | Mapping) or not isinstance(documents, Iterable):
        raise InvalidArgumentError("`documents` must be a list of texts")
    check_names(params, RerankParams.__optional_keys__)
    return post_call(settings, "/v1/rerank", {"query": query, "documents": list(documents)}, params)


def tokenize_call(settings: ClientSettings, params: Mapping[str, Any]) -> Call:
    """The call for the tokens of a text or a conversation. Raises `InvalidArgumentError`."""
    check_names(params, TokenizeParams.__optional_keys__)
    if (params.get("prompt") is None) == (params.get("messages") is None):
        raise InvalidArgumentError("tokenize() needs `prompt` or `messages`, and not both")
    return post_call(settings, "/v1/tokenize", {}, params)


def detokenize_call(settings: ClientSettings, tokens: object, params: Mapping[str, Any]) -> Call:
    """The call for the text of tokens. Raises `InvalidArgumentError`."""
    if isinstance(tokens, str | bytes | Mapping) or not isinstance(tokens, Iterable):
        raise InvalidArgumentError("`tokens` must be a list of token ids")
    check_names(params, RequestParams.__optional_keys__)
    return post_call(settings, "/v1/detokenize", {"tokens": list(tokens)}, params)


def list_models_call(settings: ClientSettings) -> Call:
    """The call that lists the models."""
    return Call("GET", "/v1/models", None, stream=False, timeout=settings.timeout)


def retrieve_model_call(settings: ClientSettings, model: str) -> Call:
    """The call that describes one model. Raises `InvalidArgumentError` for a name that would change the path."""
    if not isinstance(model, str) or model in ("", ".", ".."):
        raise InvalidArgumentError("`model` must be a model's name, and must not be empty")
    path = f"/v1/models/{path_part('model', model)}"
    return Call("GET", path, None, stream=False, timeout=settings.timeout)


def query_call(
    settings: ClientSettings, method: str, path: str, query: Mapping[str, Any], *, stream: bool = False
) -> Call:
    """A call without a body. Parameters that are None are left out of the query."""
    given = {name: value for name, value in query.items() if value is not None}
    return Call(method, f"{path}?{urlencode(given)}" if given else path, None, stream=stream, timeout=settings.timeout)


def path_part(name: str, value: str) -> str:
    """The value as one part of a path. Raises `InvalidArgumentError`."""
    if not isinstance(value, str) or value in ("", ".", ".."):
        raise InvalidArgumentError(f"`{name}` must be an id, and must not be empty")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"`{name}` has a lone surrogate, which UTF-8 cannot encode") from None


def _stream_field(stream: bool | None) -> dict[str, Any]:
    return {} if stream is None else {"stream": stream}


def post_call(settings: ClientSettings, path: str, fields: dict[str, Any], params: Mapping[str, Any]) -> Call:
    """A `POST` to a model, with the default model. Raises `InvalidArgumentError`."""
    model = params.get("model") or settings.default_model
    if not model:
        raise InvalidArgumentError("create() needs `model=`, because the client has no `default_model`")
    return body_call(settings, path, fields, {**params, "model": model})


def body_call(settings: ClientSettings, path: str, fields: dict[str, Any], params: Mapping[str, Any]) -> Call:
    """A `POST` with an idempotency key. Raises `InvalidArgumentError`."""
    fields |= {name: value for name, value in params.items() if name not in _CALL_OPTIONS and value is not None}
    key = params.get("idempotency_key")
    if key is not None:
        check_header_value("idempotency_key", key)
    return Call(
        method="POST",
        path=path,
        body=encode_body(fields | _extra_fields(params.get("extra_body"), fields)),
        stream=bool(fields.get("stream")),
        timeout=resolve_timeout(params["timeout"]) if "timeout" in params else settings.timeout,
        idempotency_key=key or f"ff-{os.urandom(16).hex()}",
        headers=check_headers("extra_headers", params.get("extra_headers")),
    )


def check_names(params: Mapping[str, Any], known: frozenset[str], method: str = "create") -> None:
    """Raise `InvalidArgumentError` for a parameter that the method does not have."""
    for name in params:
        if name not in known:
            from difflib import get_close_matches  # rarely needed, and slow to import

            near = get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "put fields that this SDK does not know into `extra_body`"
            raise InvalidArgumentError(f"{method}() has no parameter `{name}`; {hint}")


def _extra_fields(extra: object, fields: Mapping[str, Any]) -> dict[Any, Any]:
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        raise InvalidArgumentError(f"`extra_body` must be a mapping, not {type(extra).__name__}")
    for name in extra:
        # `stream` decides how the response is read, so it is a parameter only.
        if name in fields or name == "stream":
            raise InvalidArgumentError(f"`{name}` is a parameter of create(); leave it out of `extra_body`")
    return dict(extra)
