"""Building calls: what is asked of the server, as plain data."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypedDict
from urllib.parse import quote

import msgspec

from forefront.client.settings import Settings
from forefront.wire.record import Record
from forefront.wire.request import ChatRequest

MessageLike: TypeAlias = Mapping[str, Any] | Record
"""A turn of the conversation: `{"role": …, "content": …}`, or the message of an earlier completion."""


class ChatParams(TypedDict, total=False):
    """The keyword arguments of `chat.completions.create`, besides `messages` and `stream`.

    Each is described at `forefront.wire.request.ChatRequest`; None means the same as leaving it out. `model` may be
    left out where the client has a default. `extra_body` holds fields that this SDK does not know. `timeout` is the
    longest silence of the server in seconds, None for no limit; left out, it is the client's.
    """

    model: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    n: int | None
    logprobs: bool | None
    top_logprobs: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    repetition_penalty: float | None
    logit_bias: Mapping[str, float] | Mapping[int, float] | None
    stream_options: Mapping[str, bool | None] | None
    tools: Iterable[Mapping[str, Any]] | None
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: Mapping[str, Any] | None
    regex: str | None
    grammar: str | Mapping[str, str] | None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
    deadline_ms: int | None
    extra_body: Mapping[str, Any] | None
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, but for what every request of a client has in common."""

    method: str
    path: str
    body: bytes | None
    stream: bool
    timeout: float | None


_FIELDS: Final = frozenset(ChatRequest.__struct_fields__)
_OWN: Final = frozenset({"extra_body", "timeout"})


def chat_call(
    settings: Settings, messages: Iterable[MessageLike], stream: bool | None, params: Mapping[str, Any]
) -> Call:
    """The call that asks for a completion.

    Raises `TypeError` for an unknown, missing or unsendable argument, and `ValueError` for a number that JSON lacks.
    """
    _check_names(params)
    if isinstance(messages, str | bytes | Mapping):
        raise TypeError('`messages` must be a list of messages: [{"role": "user", "content": "…"}]')
    fields = {name: value for name, value in params.items() if name not in _OWN and value is not None}
    fields["model"] = params.get("model") or settings.default_model
    if not fields["model"]:
        raise TypeError("create() needs `model=`, because the client has no `default_model`")
    fields["messages"] = list(messages)
    if stream is not None:
        fields["stream"] = stream
    return Call(
        method="POST",
        path="/v1/chat/completions",
        body=_encode(fields | _extra(params.get("extra_body"), fields)),
        stream=bool(stream),
        timeout=params.get("timeout", settings.timeout),
    )


def list_models_call(settings: Settings) -> Call:
    """The call that lists the models."""
    return Call("GET", "/v1/models", None, stream=False, timeout=settings.timeout)


def retrieve_model_call(settings: Settings, model: str) -> Call:
    """The call that describes one model. Raises `ValueError` for an empty name, which would list them all."""
    if not model:
        raise ValueError("`model` must not be empty")
    return Call("GET", f"/v1/models/{quote(model, safe='')}", None, stream=False, timeout=settings.timeout)


def _check_names(params: Mapping[str, Any]) -> None:
    for name in params:
        if name not in _FIELDS and name not in _OWN:
            near = difflib.get_close_matches(name, _FIELDS, n=1)
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
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"an argument holds what JSON cannot: an object of type {type(value).__name__}")
