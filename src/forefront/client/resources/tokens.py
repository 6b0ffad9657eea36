"""`client.tokens`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from forefront.client.decoding import read_detokenized, read_tokenized
from forefront.client.request import detokenize_call, tokenize_call
from forefront.client.resources.params import RequestParams, TokenizeParams
from forefront.client.resources.raw_response import RawResponse, raw_response
from forefront.client.settings import ClientSettings
from forefront.wire.tokens import DetokenizeResult, TokenizeResult

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport, Transport


class Tokens:
    """Text to the tokens of a model, and back."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "RawTokens":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawTokens(self._settings, self._transport)

    def tokenize(self, **params: Unpack[TokenizeParams]) -> TokenizeResult:
        """The tokens of a text (`prompt`), or of a conversation (`messages`, `tools`). Raises `APIError`, and
        `InvalidArgumentError` for arguments that cannot be sent."""
        return read_tokenized(self._transport.send(tokenize_call(self._settings, params)))

    def detokenize(self, *, tokens: Sequence[int], **params: Unpack[RequestParams]) -> DetokenizeResult:
        """The text of tokens, in `.prompt`. Raises `APIError`, and `InvalidArgumentError` for arguments that cannot be
        sent."""
        return read_detokenized(self._transport.send(detokenize_call(self._settings, tokens, params)))


class RawTokens:
    """The methods of `Tokens`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    def tokenize(self, **params: Unpack[TokenizeParams]) -> RawResponse[TokenizeResult]:
        """`Tokens.tokenize`."""
        return raw_response(self._transport.send(tokenize_call(self._settings, params)), read_tokenized)

    def detokenize(self, *, tokens: Sequence[int], **params: Unpack[RequestParams]) -> RawResponse[DetokenizeResult]:
        """`Tokens.detokenize`."""
        return raw_response(self._transport.send(detokenize_call(self._settings, tokens, params)), read_detokenized)


class AsyncTokens:
    """`Tokens`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "AsyncRawTokens":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawTokens(self._settings, self._transport)

    async def tokenize(self, **params: Unpack[TokenizeParams]) -> TokenizeResult:
        """`Tokens.tokenize`."""
        return read_tokenized(await self._transport.send(tokenize_call(self._settings, params)))

    async def detokenize(self, *, tokens: Sequence[int], **params: Unpack[RequestParams]) -> DetokenizeResult:
        """`Tokens.detokenize`."""
        return read_detokenized(await self._transport.send(detokenize_call(self._settings, tokens, params)))


class AsyncRawTokens:
    """`RawTokens`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    async def tokenize(self, **params: Unpack[TokenizeParams]) -> RawResponse[TokenizeResult]:
        """`Tokens.tokenize`."""
        return raw_response(await self._transport.send(tokenize_call(self._settings, params)), read_tokenized)

    async def detokenize(
        self, *, tokens: Sequence[int], **params: Unpack[RequestParams]
    ) -> RawResponse[DetokenizeResult]:
        """`Tokens.detokenize`."""
        call = detokenize_call(self._settings, tokens, params)
        return raw_response(await self._transport.send(call), read_detokenized)
