"""The responses of `POST /v1/completions`: continuations of prompts."""

from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import AsyncIterator
from math import isnan

from forefront.catalog.catalog import ModelUse
from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Event, Started
from forefront.server.sending.json_pieces import encode_each
from forefront.server.sending.response_encoder import ChunkEncoder, usage_of
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.completions.request import CompletionRequest
from forefront.wire.completions.response import Completion as TextCompletion
from forefront.wire.completions.response import (
    CompletionChoice,
    CompletionLogprobs,
    FinishReason,
    TokenLogprob,
    TopLogprob,
    Usage,
)


class TextCompletionEncoder(ChunkEncoder):
    """A text completion, whole or in pieces."""

    def __init__(self, request: CompletionRequest, model: ModelUse, memory: ResponseMemory) -> None:
        super().__init__("cmpl-", model, memory, include_usage=request.include_usage)
        self._count = len(request.prompts) * (request.n or 1)
        self._alternatives = request.logprobs
        # The decoders of each choice's tokens with log-probabilities: a token need not end with a whole character.
        self._decoders: dict[int, IncrementalDecoder] = {}
        self._offsets = [0] * self._count

    async def whole(self, events: AsyncIterator[Event]) -> TextCompletion:
        """See `ResponseEncoder.whole`."""
        texts: list[list[str]] = [[] for _ in range(self._count)]
        logprobs = [self._logprobs(index, []) for index in range(self._count)]
        reasons: list[FinishReason | None] = [None] * self._count
        usage, receipt = None, None
        async for event in events:
            match event:
                case Started():
                    self.start(event)
                case ContentDelta():
                    texts[event.index].append(event.text)
                    self.memory.add(event.text)
                    self._collect(event, logprobs[event.index])
                case ChoiceEnd():
                    reasons[event.index] = event.reason
                case Completed():
                    usage, receipt = usage_of(event), self.receipt(event)
        choices = (
            CompletionChoice(
                index=index,
                text="".join(texts[index]),
                logprobs=logprobs[index],
                finish_reason=reasons[index],
            )
            for index in range(self._count)
        )
        made = self._message(list(choices) if self._count == 1 else await encode_each(choices))
        made.usage, made.receipt = usage, receipt
        return made

    def deltas(self, event: Event) -> list[TextCompletion]:
        """See `ChunkEncoder.deltas`."""
        return [self.text_chunk(event)] if isinstance(event, ContentDelta) else []

    def text_chunk(self, event: ContentDelta) -> TextCompletion:
        """See `ChunkEncoder.text_chunk`."""
        logprobs = self._logprobs(event.index, event.logprobs or [])
        choice = CompletionChoice(index=event.index, text=event.text, logprobs=logprobs, finish_reason=None)
        return self._message([choice])

    def end(self, event: ChoiceEnd) -> TextCompletion:
        """See `ChunkEncoder.end`."""
        return self._message([CompletionChoice(index=event.index, text="", finish_reason=event.reason)])

    def usage_chunk(self, usage: Usage) -> TextCompletion:
        """See `ChunkEncoder.usage_chunk`."""
        made = self._message([])
        made.usage = usage
        return made

    def _message(self, choices: list[CompletionChoice]) -> TextCompletion:
        return TextCompletion(
            id=self.id,
            created=self.created,
            model=self.model.name,
            system_fingerprint=self.fingerprint,
            choices=choices,
        )

    def _collect(self, event: ContentDelta, collected: CompletionLogprobs | None) -> None:
        """Add an event's log-probabilities to those of its choice, the alternatives as JSON."""
        added = self._logprobs(event.index, event.logprobs or [])
        if added is None or collected is None:
            return
        collected.tokens += added.tokens
        collected.token_logprobs += added.token_logprobs
        collected.text_offset += added.text_offset
        for token in added.tokens:
            self.memory.add(token)
        if collected.top_logprobs is not None:
            collected.top_logprobs += self.memory.encode(added.top_logprobs or [])

    def _logprobs(self, index: int, tokens: list[TokenLogprob]) -> CompletionLogprobs | None:
        """The log-probabilities of `tokens`, which follow the last ones of the choice."""
        if self._alternatives is None:
            return None
        if not tokens:
            return CompletionLogprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
        offsets = []
        decoder = self._decoders.get(index)
        if decoder is None:
            decoder = self._decoders[index] = getincrementaldecoder("utf-8")("replace")
        for token in tokens:
            offsets.append(self._offsets[index])
            self._offsets[index] += len(decoder.decode(bytes(token.bytes or ())))
        return CompletionLogprobs(
            tokens=[_name(token) for token in tokens],
            # A prompt's first token has no context, so it has no probability.
            token_logprobs=[None if isnan(token.logprob) else token.logprob for token in tokens],
            top_logprobs=[_top(token) for token in tokens],
            text_offset=offsets,
        )


def _top(token: TokenLogprob) -> dict[str, float] | None:
    if isnan(token.logprob):
        return None
    # The chosen token is always there. Of two tokens with equal texts the more likely one counts, which comes first.
    return {_name(token): token.logprob} | {_name(other): other.logprob for other in reversed(token.top_logprobs)}


def _name(token: TopLogprob) -> str:
    """A token's text; of one that is no whole characters, its bytes."""
    if "\ufffd" not in token.token or not token.bytes:
        return token.token
    data = bytes(token.bytes)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)
