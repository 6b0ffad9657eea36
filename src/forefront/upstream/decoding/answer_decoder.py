"""From an upstream's chunks to the events of an answer."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from forefront.chat.events import ChoiceEnd, ContentDelta, Event, ReasoningDelta
from forefront.upstream.decoding.chunk import NULL, UpstreamChoice, UpstreamChunk, UpstreamDelta, decode_chunk
from forefront.upstream.decoding.errors import ErrorChunkError, MalformedAnswerError
from forefront.upstream.decoding.logprobs import read_logprobs
from forefront.upstream.decoding.text_pattern import TextPattern
from forefront.upstream.decoding.tool_calls import ToolCallDecoder
from forefront.wire.completions.response import FinishReason

# Maximum attempts to find a useful pattern in chunks of text.
_ATTEMPTS: Final = 4
_NOTHING: Final = b"null"  # which llama.cpp sends before the texts of several prompts
# Bounds of bytes and pieces of text, per token of the answer and in addition; a longer answer counts as endless.
_MAX_BYTES: Final = (256, 2**24)
_MAX_PIECES: Final = (8, 1024)
_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop",
    "length": "length", "max_tokens": "length", "model_length": "length",
    "tool_calls": "tool_calls", "function_call": "tool_calls", "tool_use": "tool_calls",
    "content_filter": "content_filter", "deadline": "deadline",
}  # fmt: skip
_FAILURES: Final = frozenset({"error", "abort", "aborted", "cancelled", "timeout"})


@dataclass(slots=True)
class _Choice:
    """One choice so far. `calls` is None until a tool call comes."""

    calls: ToolCallDecoder | None = None
    ended: bool = False


class AnswerDecoder:
    """Decodes the answer to one request with `count` choices.

    `custom_tools` are functions at the upstream and custom tools here. `max_output_tokens` bounds the answer.
    `usage_of_choices`: the upstream states the usage of each choice.
    """

    def __init__(
        self,
        count: int,
        max_output_tokens: int,
        *,
        logprobs: bool = False,
        custom_tools: Collection[str] = (),
        usage_of_choices: bool = False,
    ) -> None:
        # One of the whole answer, or one of each choice.
        self.usages: list[msgspec.Raw] = []
        self.receipt = NULL
        self.fingerprint: str | None = None
        self.model: str | None = None
        # Bytes of text received, of these within reasoning, and the number of chunks with text.
        self.output_bytes = self.reasoning_bytes = self.pieces = 0
        self._pieces_in_usage = 0
        self._pattern: TextPattern | None = None
        self._attempts = _ATTEMPTS
        self._choices = [_Choice() for _ in range(count)]
        self._open = count
        self._logprobs = logprobs
        self._custom_tools = custom_tools
        self._usage_of_choices = usage_of_choices
        self._most_bytes = max_output_tokens * _MAX_BYTES[0] + _MAX_BYTES[1]
        self._most_pieces = max_output_tokens * _MAX_PIECES[0] + _MAX_PIECES[1]

    @property
    def complete(self) -> bool:
        """Whether every choice has ended."""
        return not self._open

    @property
    def usage_is_final(self) -> bool:
        """Whether the usage covers the whole answer received so far."""
        return self.complete or self._pieces_in_usage == self.pieces

    def decode(self, data: bytes) -> Iterator[Event]:
        """The events of one chunk. Raises `MalformedAnswerError` and `ErrorChunkError`."""
        return self.decode_all((data,))

    def decode_all(self, payloads: Sequence[bytes]) -> Iterator[Event]:
        """The events of chunks that have arrived together. Neighbouring texts of one choice are joined, since sending
        each of them would take most of the time. Raises like `decode`, after the events that precede the fault."""
        texts: list[str] = []
        index = number = 0  # of the choice of the texts, and of the next chunk
        try:
            while number < len(payloads):
                if self._pattern is not None and (alike := self._read_alike(payloads[number:])):
                    texts += alike
                    number += len(alike)
                    continue
                data = payloads[number]
                number += 1
                if data == _NOTHING:
                    continue
                chunk = _read_chunk(data)
                text = self._only_text(chunk)
                if text is not None:
                    assert chunk.choices is not None
                    if (place := chunk.choices[0].index or 0) != index and texts:
                        yield self._text(index, texts)
                        texts = []
                    index = place
                    texts.append(text)
                    self._learn(data, text)
                    continue
                if texts:
                    yield self._text(index, texts)
                    texts = []
                yield from self._events(chunk, data)
        except (MalformedAnswerError, ErrorChunkError):
            if texts:
                yield self._text(index, texts)
            raise
        if texts:
            yield self._text(index, texts)

    def _read_alike(self, payloads: Sequence[bytes]) -> list[str]:
        """The texts of the first chunks, if they follow the pattern. A pattern that does not help is dropped."""
        assert self._pattern is not None
        texts = self._pattern.read(payloads) if self._open else []
        if texts:
            self._attempts = _ATTEMPTS
        else:
            self._pattern = None
        return texts

    def _learn(self, data: bytes, text: str) -> None:
        """Find the pattern of the chunks of an answer's only choice, in a few attempts."""
        if self._pattern is None and self._attempts and len(self._choices) == 1:
            self._attempts -= 1
            self._pattern = TextPattern.learn(data, text, self._read_text)

    def _read_text(self, data: bytes) -> str | None:
        """The text of a chunk with text alone."""
        try:
            return self._only_text(decode_chunk(data))
        except ValueError:
            return None

    def _only_text(self, chunk: UpstreamChunk) -> str | None:
        """The text of a chunk with text alone, after the first chunk; None for any other."""
        choices = chunk.choices
        if choices is None or len(choices) != 1 or self.model is None:
            return None
        part = choices[0]
        if part.finish_reason or (self._logprobs and part.logprobs != NULL) or chunk.usage != NULL:
            return None
        if chunk.error != NULL or chunk.receipt != NULL or not self._is_open(part.index or 0):
            return None
        delta = part.delta
        if delta is None:
            return part.text or None if part.message is None else None
        if delta.tool_calls or delta.reasoning_content or delta.reasoning or delta.refusal:
            return None
        return delta.content if isinstance(delta.content, str) and delta.content else None

    def _is_open(self, index: int) -> bool:
        return 0 <= index < len(self._choices) and not self._choices[index].ended

    def _text(self, index: int, texts: list[str]) -> ContentDelta:
        """The joined texts of several chunks."""
        text = "".join(texts)
        self.pieces += len(texts) - 1
        self._count(text)
        return ContentDelta(index, text)

    def _events(self, chunk: UpstreamChunk, data: bytes) -> Iterator[Event]:
        if chunk.error != NULL:
            raise ErrorChunkError({"error": _plain(chunk.error)})
        if chunk.system_fingerprint is not None:
            self.fingerprint = chunk.system_fingerprint[:128]
        if chunk.model and not self.model:
            self.model = chunk.model[:256]
        if chunk.choices is None and (chunk.message != NULL or chunk.detail != NULL):
            raise ErrorChunkError(_plain(data))
        for part in chunk.choices or ():
            index = part.index or 0
            if not 0 <= index < len(self._choices):
                raise MalformedAnswerError(f"it numbers a choice {index}")
            choice = self._choices[index]
            if not choice.ended:
                yield from self._part(index, part, choice)
        if chunk.receipt != NULL:
            self.receipt = chunk.receipt.copy()
        if chunk.usage != NULL:
            self._keep_usage(chunk)

    def cut(self) -> Iterator[Event]:
        """The events that end an answer at its deadline."""
        for index, choice in enumerate(self._choices):
            if not choice.ended:
                choice.ended = True
                self._open -= 1
                yield ChoiceEnd(index, "deadline")

    def _keep_usage(self, chunk: UpstreamChunk) -> None:
        """Keep a usage of all choices so far, or of one choice that has ended. Where each chunk has a usage, it belongs
        to the chunk's choice.
        """
        self._pieces_in_usage = self.pieces
        if self._usage_of_choices and len(self._choices) > 1:
            if len(self.usages) < len(self._choices):
                self.usages.append(chunk.usage.copy())
        elif len(self._choices) == 1 or not chunk.choices or self.complete:
            self.usages = [chunk.usage.copy()]

    def _part(self, index: int, part: UpstreamChoice, choice: _Choice) -> Iterator[Event]:
        delta = part.delta or part.message
        logprobs = self._read_logprobs(part) if self._logprobs and part.logprobs != NULL else None
        text, reasoning = (part.text, None) if delta is None else _texts(delta)
        if reasoning:
            self._count(reasoning)
            self.reasoning_bytes += len(reasoning.encode("utf-8", "replace"))
            yield ReasoningDelta(index, reasoning)
            logprobs = logprobs if text else None
        if text or logprobs:
            self._count(text or "")
            yield ContentDelta(index, text or "", logprobs)
        if delta is not None and delta.tool_calls:
            if choice.calls is None:
                choice.calls = ToolCallDecoder(index, self._custom_tools)
            for call in delta.tool_calls:
                yield from choice.calls.decode(call, self._count)
        if part.finish_reason:  # some servers send an empty one until the end
            yield from self._end(index, choice, part.finish_reason.lower(), part.stop_string)

    def _end(self, index: int, choice: _Choice, reason: str, stop: str | None) -> Iterator[Event]:
        if reason in _FAILURES:
            raise MalformedAnswerError(f"it ends an answer with {reason!r}")
        if choice.calls is not None:
            yield from choice.calls.end()
        choice.ended = True
        self._open -= 1
        known = _REASONS.get(reason, "stop")
        if known in ("stop", "tool_calls"):
            known = "stop" if choice.calls is None else "tool_calls"
        yield ChoiceEnd(index, known, stop if known == "stop" else None)

    def _read_logprobs(self, part: UpstreamChoice) -> Any:
        try:
            return read_logprobs(part.logprobs)
        except ValueError as error:
            raise MalformedAnswerError(f"it sends log-probabilities that are none: {error}") from None

    def _count(self, text: str) -> None:
        """Count text. Raises `MalformedAnswerError` for more than the longest possible answer."""
        self.output_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        self.pieces += 1
        if self.output_bytes > self._most_bytes or self.pieces > self._most_pieces:
            raise MalformedAnswerError("its answer has no end")


def _read_chunk(data: bytes) -> UpstreamChunk:
    try:
        return decode_chunk(data)
    except ValueError as error:
        raise MalformedAnswerError(f"it sends an invalid chunk: {error}") from None


def _texts(delta: UpstreamDelta) -> tuple[str, str | None]:
    """The content, which a refusal is too, and the reasoning. Both may be in a list of parts (Mistral)."""
    reasoning = delta.reasoning_content or delta.reasoning
    content = delta.content
    if isinstance(content, list):
        thinking = [_joined(part.get("thinking")) for part in content if isinstance(part, dict)]
        reasoning = reasoning or "".join(thinking)
        content = _joined(content)
    return content or delta.refusal or "", reasoning


def _joined(parts: Any) -> str:
    """The texts of parts."""
    if isinstance(parts, str):
        return parts
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))


def _plain(data: bytes | msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
