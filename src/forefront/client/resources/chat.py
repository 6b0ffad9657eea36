"""`client.chat.completions`: ask for answers."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from forefront.client.chat_stream import ChatStream
from forefront.client.decoding import read_chunk, read_completion, read_preflight
from forefront.client.request import chat_call, preflight_call, stream_call
from forefront.client.resources.chat_raw import RawCompletions
from forefront.client.resources.params import ChatParams, ConversationParams, MessageLike
from forefront.client.settings import Settings
from forefront.client.stream import Stream
from forefront.client.structured import Form, ParsedCompletion
from forefront.wire.response import ChatCompletion, ChatCompletionChunk, Preflight

if TYPE_CHECKING:
    from forefront.client.transport.transport import Transport

T = TypeVar("T")


class Completions:
    """Chat completions."""

    def __init__(self, settings: Settings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> RawCompletions:
        """The same methods; they return a `RawResponse`, which has the headers too."""
        return RawCompletions(self._settings, self._transport)

    @overload
    def create(
        self,
        *,
        messages: Iterable[MessageLike],
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageLike], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    def create(
        self, *, messages: Iterable[MessageLike], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """Ask the model to go on with the conversation.

        `messages` are dicts with `role` and `content`, or messages of earlier completions. With `stream` the answer
        comes as chunks while it is made, else whole. The other parameters are those of `ChatParams`: `model`,
        `max_tokens`, `temperature`, `top_p`, `top_k`, `min_p`, `stop`, `seed`, `n`, `logprobs`, `top_logprobs`,
        `presence_penalty`, `frequency_penalty`, `repetition_penalty`, `logit_bias`, `stream_options`, `tools`,
        `tool_choice`, `parallel_tool_calls`, `response_format`, `regex`, `grammar`, `reasoning_effort`, `deadline_ms`,
        `extra_body`, `extra_headers`, `timeout`, `idempotency_key`; only those given are sent.

        Raises `APIError`; `TypeError` or `ValueError` for arguments that cannot be sent.
        """
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            return Stream(self._transport.open(call), read_chunk)
        return read_completion(self._transport.send(call))

    def stream(self, *, messages: Iterable[MessageLike], **params: Unpack[ChatParams]) -> ChatStream:
        """Ask for a stream that is put together while it comes; to be used in a `with` block.

        It asks for the usage too, unless `stream_options` says otherwise. Raises as `create` does.
        """
        return ChatStream(self._transport.open(stream_call(self._settings, messages, params)))

    @overload
    def parse(
        self,
        *,
        messages: Iterable[MessageLike],
        response_format: Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> ParsedCompletion[Any]: ...
    @overload
    def parse(
        self, *, messages: Iterable[MessageLike], response_format: type[T], **params: Unpack[ConversationParams]
    ) -> ParsedCompletion[T]: ...
    def parse(
        self,
        *,
        messages: Iterable[MessageLike],
        response_format: type[T] | Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> ParsedCompletion[T]:
        """Ask for an answer of a form, and parse it into `.parsed`.

        `response_format` is a Pydantic model, a dataclass, a `TypedDict`, or a JSON schema. Raises `ParseError` when
        the answer does not have that form, because `max_tokens` cut it off, say; and as `create` does.
        """
        form: Form[T] = Form(response_format)
        call = chat_call(self._settings, messages, None, {**params, "response_format": form.response_format})
        return form.completion(self._transport.send(call))

    def preflight(self, *, messages: Iterable[MessageLike], **params: Unpack[ChatParams]) -> Preflight:
        """What a request would meet, without answering it: its prompt, its tokens, whether it fits, the wait.

        It counts as a request towards limits, and costs nothing. Raises as `create` does.
        """
        return read_preflight(self._transport.send(preflight_call(self._settings, messages, params)))


class Chat:
    """What has to do with chat."""

    def __init__(self, settings: Settings, transport: "Transport") -> None:
        self.completions = Completions(settings, transport)
