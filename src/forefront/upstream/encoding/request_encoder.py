"""From a request to the body that an upstream takes."""

from collections.abc import Mapping
from functools import partial
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Final

import msgspec

from forefront.upstream.dialects import NEUTRAL, Dialect, Fields, Writer
from forefront.upstream.encoding.request_messages import encode_messages
from forefront.upstream.encoding.tool_encoder import encode_tools
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.errors import RequestError

_DEFAULT_MAX_TOKENS: Final = 16  # of `POST /v1/completions`; some servers have no limit by default
# Fields with their own rules, and fields that only this server uses.
_SAMPLED: Final = (
    "temperature", "top_p", "top_k", "min_p", "stop_token_ids", "min_tokens", "ignore_eos", "seed", "n",
    "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "response_format", "regex", "grammar",
)  # fmt: skip
_CHAT_NAMES: Final = (
    *_SAMPLED, "max_tokens", "logprobs", "top_logprobs", "parallel_tool_calls", "reasoning_effort", "prediction",
)  # fmt: skip
_TEXT_NAMES: Final = (*_SAMPLED, "prompt", "logprobs", "echo")
_CHAT: Final = _CHAT_NAMES, attrgetter(*_CHAT_NAMES)
_TEXT: Final = _TEXT_NAMES, attrgetter(*_TEXT_NAMES)
_is_set: Final = partial(is_not, None)


class RequestEncoder:
    """Encodes the requests for one model in its upstream's dialect."""

    def __init__(self, spec: UpstreamSpec, dialect: Dialect) -> None:
        self._spec = spec
        self._dialect = dialect

    def encode(self, request: ChatRequest | CompletionRequest, *, whole: bool = False) -> bytes:
        """The JSON body of a request for a stream with usage, or for a `whole` answer.

        Raises `RequestError` 400 for a field that the upstream does not support.
        """
        chat = isinstance(request, ChatRequest)
        writers, (names, values_of) = (self._dialect.chat, _CHAT) if chat else (self._dialect.text, _TEXT)
        body: Fields = {"model": self._spec.model}
        if isinstance(request, ChatRequest):
            body |= encode_messages(request.messages, self._dialect, self._spec)
            body |= encode_tools(request, self._dialect, self._spec.name)
        else:
            body["max_tokens"] = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
        values = values_of(request)
        for name, value in compress(zip(names, values, strict=True), map(_is_set, values)):
            if _applies(request, name):
                body |= self._written(writers, name, value)
        if stops := request.stops:
            body |= self._written(writers, "stop", stops)
        lacking = self._dialect.whole_with
        if not whole and not any(name in body and not _is_neutral(name, body[name]) for name in lacking):
            body["stream"] = True
            body["stream_options"] = {"include_usage": True} | dict(self._dialect.stream_options or {})
        return msgspec.json.encode(body)

    def _written(self, writers: Mapping[str, Writer], name: str, value: Any) -> Fields:
        writer = writers.get(name)
        fields = None if writer is None else writer(value)
        if fields is not None:
            return fields
        if _is_neutral(name, value):
            return {}
        what = f"`{name}`" if writer is None else f"This value of `{name}`"
        text = (
            f"{what} is not supported by the model `{self._spec.name}`: its upstream ({self._dialect.name}) lacks it."
        )
        raise RequestError("unsupported_parameter", text, param=name)


def _applies(request: SampledRequest, name: str) -> bool:
    """Whether a field has an effect beside the others."""
    if name == "stop_token_ids":
        return not request.answers_json
    return name != "parallel_tool_calls" or bool(getattr(request, "tools", None))


def _is_neutral(name: str, value: Any) -> bool:
    """Whether the value of a field has no effect."""
    return any(
        value == harmless and isinstance(value, bool) is isinstance(harmless, bool)
        for harmless in NEUTRAL.get(name, ())
    )
