"""`client.chat.completions`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from forefront.client.chat_stream import ChatStream
from forefront.client.decoding import read_cancelled, read_chunk, read_completion, read_preflight
from forefront.client.request import cancel_call, chat_call, preflight_call, stream_call
from forefront.client.resources.chat_raw import RawChatCompletions
from forefront.client.resources.message_params import MessageParam
from forefront.client.resources.params import ChatParams, ConversationParams
from forefront.client.settings import ClientSettings
from forefront.client.stream import Stream
from forefront.client.structured import ParsedCompletion, ResponseSchema
from forefront.wire.completions.response import CancelledCompletion, ChatCompletion, ChatCompletionChunk, Preflight

if TYPE_CHECKING:
    from forefront.client.transport.transport import Transport

T = TypeVar("T")


class ChatCompletions:
    """Chat completions."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> RawChatCompletions:
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawChatCompletions(self._settings, self._transport)

    @overload
    def create(
        self,
        *,
        messages: Iterable[MessageParam],
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageParam], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    def create(
        self, *, messages: Iterable[MessageParam], stream: bool | None = None, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """Request the next message of a conversation.

        `messages` are dicts with `role` and `content`, or messages of earlier completions. With `stream` the result is
        a stream of chunks, else a completion. The other parameters are those of `ChatParams`: `model`,
        `max_tokens`, `temperature`, `top_p`, `top_k`, `min_p`, `stop`, `seed`, `n`, `logprobs`, `top_logprobs`,
        `presence_penalty`, `frequency_penalty`, `repetition_penalty`, `logit_bias`, `stream_options`, `tools`,
        `tool_choice`, `parallel_tool_calls`, `response_format`, `regex`, `grammar`, `reasoning_effort`, `prediction`,
        `deadline_ms`, `extra_body`, `extra_headers`, `timeout`, `idempotency_key`.

        Raises `APIError`, and `InvalidArgumentError` for arguments that cannot be sent.
        """
        call = chat_call(self._settings, messages, stream, params)
        if call.stream:
            return Stream(self._transport.open(call), read_chunk)
        return read_completion(self._transport.send(call))

    def stream(self, *, messages: Iterable[MessageParam], **params: Unpack[ChatParams]) -> ChatStream:
        """Request a stream that accumulates a completion, for use in a `with` block.

        It includes the usage, unless `stream_options` is given. Raises as `create` does.
        """
        return ChatStream(self._transport.open(stream_call(self._settings, messages, params)))

    @overload
    def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> ParsedCompletion[Any]: ...
    @overload
    def parse(
        self, *, messages: Iterable[MessageParam], response_format: type[T], **params: Unpack[ConversationParams]
    ) -> ParsedCompletion[T]: ...
    def parse(
        self,
        *,
        messages: Iterable[MessageParam],
        response_format: type[T] | Mapping[str, Any],
        **params: Unpack[ConversationParams],
    ) -> ParsedCompletion[T]:
        """Request structured output, and parse it into `.parsed`.

        `response_format` is a Pydantic model, a dataclass, a `TypedDict`, or a JSON schema. Raises `ParseError` for a
        completion that does not match, for example because `max_tokens` cut it off; and as `create` does.
        """
        schema: ResponseSchema[T] = ResponseSchema(response_format)
        call = chat_call(self._settings, messages, None, {**params, "response_format": schema.response_format})
        return schema.read(self._transport.send(call))

    def cancel(self, completion_id: str) -> CancelledCompletion:
        """End a running completion of this project, by the id in its chunks.

        Its stream ends with a `ConflictError`. Raises `NotFoundError` unless it is running.
        """
        return read_cancelled(self._transport.send(cancel_call(self._settings, completion_id)))

    def preflight(self, *, messages: Iterable[MessageParam], **params: Unpack[ChatParams]) -> Preflight:
        """Check a request without running it: its prompt, its tokens, whether it fits, the wait.

        It counts towards the request limit, and is free. Raises as `create` does.
        """
        return read_preflight(self._transport.send(preflight_call(self._settings, messages, params)))


class Chat:
    """`client.chat`."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self.completions = ChatCompletions(settings, transport)
