"""llama.cpp's token-level endpoint `POST /completion`: requests, and the events of their streams.

Reference: `tools/server/README.md` of llama.cpp.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec

from forefront.engine.errors import StepFailedError
from forefront.engine.request import SamplingParams
from forefront.managed_engines.engine_process import Endpoint
from forefront.upstream.http.connection_pool import ConnectionPool, Origin
from forefront.upstream.http.http_connection import ConnectionLostError, MalformedResponseError, UpstreamResponse

T = TypeVar("T")

_CONNECT_SECONDS: Final = 10.0
# Seconds. Pings come every 30: a longer silence is a failure.
_MAX_SILENCE: Final = 300.0
_MAX_SEED: Final = 2**32 - 2  # the number after it asks for a random seed
_OVERFLOW: Final = "Context size has been exceeded"


class ContextOverflowError(Exception):
    """The KV cache, which all requests share, has no room for the next token."""


class TokenProbability(msgspec.Struct, frozen=True):
    """A token with the natural logarithm of its probability, and its most likely alternatives."""

    id: int
    logprob: float
    top_logprobs: list["TokenProbability"] = []


class PromptProgress(msgspec.Struct, frozen=True):
    """Tokens of the prompt: all of them, and those that came from the cache."""

    total: int
    cache: int = 0


class Timings(msgspec.Struct, frozen=True):
    """`cache_n`: tokens of the prompt that came from the cache."""

    cache_n: int = 0


class CompletionEvent(msgspec.Struct, frozen=True):
    """An event of a stream, or a whole answer.

    `tokens` of a stream's event is one token. Tokens that end within a character are missing: `tokens_predicted` counts
    them, and `content` of the next event has their text. Progress events have no token of meaning.
    """

    content: str = ""
    tokens: list[int] = []
    tokens_predicted: int = 0
    stop: bool = False
    completion_probabilities: list[TokenProbability] = []
    prompt_progress: PromptProgress | None = None
    timings: Timings = Timings()


class _ErrorDetail(msgspec.Struct, frozen=True):
    message: str = ""


class _ErrorEvent(msgspec.Struct, frozen=True):
    error: _ErrorDetail


_event = msgspec.json.Decoder(CompletionEvent)
_error = msgspec.json.Decoder(_ErrorEvent)


class Completions:
    """A client of one llama.cpp server. All methods raise `StepFailedError` for a server that fails, and
    `ContextOverflowError`."""

    def __init__(self) -> None:
        self._connections = ConnectionPool(_CONNECT_SECONDS)

    async def stream(self, endpoint: Endpoint, body: Mapping[str, Any]) -> AsyncGenerator[list[CompletionEvent], None]:
        """The events of a completion, in batches as they arrive. Closing the generator ends the completion."""
        rest = b""
        async with self._post(endpoint, {**body, "stream": True}) as response:
            while data := await _in_time(response.read()):
                *lines, rest = (rest + data).split(b"\n")
                if events := [_decode(line) for line in lines if line.startswith((b"data:", b"error:"))]:
                    yield events

    async def complete(self, endpoint: Endpoint, body: Mapping[str, Any]) -> CompletionEvent:
        """A completion as a whole."""
        async with self._post(endpoint, body) as response:
            return _decoded(await _body(response))

    async def aclose(self) -> None:
        """Close all connections."""
        self._connections.close()

    @asynccontextmanager
    async def _post(self, endpoint: Endpoint, body: Mapping[str, Any]) -> AsyncIterator[UpstreamResponse]:
        origin, data = Origin.of(endpoint.url), msgspec.json.encode(body)
        head = (
            f"POST /completion HTTP/1.1\r\nhost: {origin.authority}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {endpoint.key}\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        try:
            connection = await self._connections.connect(origin)
            try:
                response = await _in_time(connection.send(head.encode() + data))
                if response.status != 200:
                    raise _failure(await _body(response))
                yield response
            finally:
                # The server may close an idle connection just as the next request is sent, so connections are not
                # reused.
                connection.close()
                self._connections.give_back(origin, connection)
        except (ConnectionLostError, MalformedResponseError, OSError) as error:  # TimeoutError is an OSError
            raise StepFailedError("llama.cpp's server does not respond") from error


def sampling_fields(sampling: SamplingParams, seed: int, length: int) -> dict[str, Any]:
    """The fields of a request that sets `sampling` for a sequence of at most `length` tokens. All others of llama.cpp's
    samplers stay out of its chain."""
    fields: dict[str, Any] = {
        "samplers": ["penalties", "temperature", "min_p", "top_k", "top_p"],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repeat_penalty": sampling.repetition_penalty,
        "repeat_last_n": length if sampling.has_penalties else 0,
        "seed": seed % (_MAX_SEED + 1),
        "logit_bias": [[token, bias] for token, bias in sampling.logit_bias.items()],
    }
    if sampling.top_logprobs is not None:
        # At least one alternative, with which the sampled token's own probability is reported.
        fields["n_probs"] = max(sampling.top_logprobs, 1)
    return fields


async def _in_time(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises `TimeoutError` if the server is silent for too long."""
    async with asyncio.timeout(_MAX_SILENCE):
        return await work


async def _body(response: UpstreamResponse) -> bytes:
    parts: list[bytes] = []
    while data := await _in_time(response.read()):
        parts.append(data)
    return b"".join(parts)


def _decode(line: bytes) -> CompletionEvent:
    name, _, data = line.partition(b":")
    if name == b"error" or data.startswith(b' {"error"'):
        raise _failure(data if data.lstrip().startswith(b'{"error"') else b'{"error":' + data + b"}")
    return _decoded(data)


def _decoded(data: bytes) -> CompletionEvent:
    try:
        return _event.decode(data)
    except msgspec.DecodeError as error:
        raise StepFailedError("llama.cpp's server sent no completion") from error


def _failure(body: bytes) -> Exception:
    """The exception for an error of the server. Its text is for the log."""
    try:
        message = _error.decode(body).error.message
    except msgspec.DecodeError:
        message = "no reason"
    return ContextOverflowError() if _OVERFLOW in message else StepFailedError(f"llama.cpp: {message}")
