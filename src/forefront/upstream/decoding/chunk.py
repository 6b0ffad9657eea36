"""Chunks of an upstream's stream: the fields that are read, all optional."""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from forefront.wire.completions.request import MAX_STOP_LENGTH

NULL: Final = Raw(b"null")


class FunctionDelta(Struct):
    """Part of a call. Some servers send the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CustomDelta(Struct):
    """Part of a call of a custom tool."""

    name: str | None = None
    input: str | None = None


class CallDelta(Struct):
    """Part of a tool call; some servers leave out `index` or `id`."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    custom: CustomDelta | None = None


class UpstreamDelta(Struct):
    """Additions to a choice, or the whole message of an unstreamed answer. Reasoning has two names."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None


class UpstreamChoice(Struct):
    """One choice's part of a chunk: of a chat completion, or, with `text`, of a completion. The stop string that ended
    it is in `stop_reason` (vLLM) or `matched_stop` (SGLang), which may also hold a token."""

    index: int | None = 0
    delta: UpstreamDelta | None = None
    message: UpstreamDelta | None = None
    text: str | None = None
    logprobs: Raw = NULL
    finish_reason: str | None = None
    stop_reason: Any = None
    matched_stop: Any = None

    @property
    def stop_string(self) -> str | None:
        """The stop string, if the upstream names it."""
        found = self.matched_stop if self.stop_reason is None else self.stop_reason
        return found[:MAX_STOP_LENGTH] if isinstance(found, str) else None


class UpstreamChunk(Struct):
    """One event of a stream. `usage`, `error` and `receipt` may have any form and are decoded where they are needed."""

    choices: list[UpstreamChoice] | None = None
    usage: Raw = NULL
    error: Raw = NULL
    message: Raw = NULL
    detail: Raw = NULL
    receipt: Raw = NULL
    model: str | None = None
    system_fingerprint: str | None = None


_decoder = msgspec.json.Decoder(UpstreamChunk)


def decode_chunk(data: bytes) -> UpstreamChunk:
    """Read one event's data. Raises `ValueError` for other data."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)[:200]) from None
