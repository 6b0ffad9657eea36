"""One choice of an answer: from tokens to events."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from forefront.chat.events import AnswerDelta, ChoiceEnd, ContentDelta, ReasoningDelta, ToolCallBegin, ToolInputDelta
from forefront.chat.output.detokenizer import Detokenizer
from forefront.chat.output.output_parser import OutputParser
from forefront.chat.output.stop_strings import StopMatcher, StopStrings
from forefront.engine.generation import Logprob, Token
from forefront.wire.completions.response import FinishReason, TokenLogprob, TopLogprob

# Tokens per batch, without and with log-probabilities. With 20 alternatives each, a batch takes a millisecond here and
# another in the response encoder.
_BATCH = 128
_DESCRIBED_BATCH = 16


@dataclass(frozen=True, slots=True)
class TokenTexts:
    """The texts of a vocabulary: `pieces` are the bytes that each token adds to an answer, `names` the names of control
    tokens, which log-probabilities show."""

    pieces: Sequence[bytes]
    names: Mapping[int, str] = field(default_factory=dict)

    def text(self, token: int) -> bytes:
        """The bytes of a token in UTF-8, the name of a control token, or nothing for a token without text."""
        if (name := self.names.get(token)) is not None:
            return name.encode()
        return self.pieces[token] if token < len(self.pieces) else b""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """The settings for decoding the choices of one request.

    `stops` and `stop_tokens` end a choice before a text or a token of its content, once it has `min_tokens` tokens.
    With `logprobs` text carries log-probabilities, with `end_logprob` those of the end token too. A `mute` choice has
    no text, because the request only scores its prompt.
    """

    stops: StopStrings
    stop_tokens: frozenset[int] = frozenset()
    min_tokens: int = 0
    logprobs: bool = False
    end_logprob: bool = False
    mute: bool = False


class ChoiceDecoder:
    """Turns the tokens of choice `index` into events, until the model, a stop or the token limit ends it.

    Without a `parser` all text is content. Stops apply to content alone, never to reasoning, calls or their markup. The
    tokens `echo` are shown before the first one. `tokens` counts what the engine sampled up to the end, the end
    token included, and `reasoning_tokens` those within reasoning; what it samples before it learns of a stop is not
    counted.
    """

    def __init__(
        self,
        index: int,
        texts: TokenTexts,
        options: DecodeOptions,
        parser: OutputParser | None = None,
        echo: Sequence[int] = (),
    ) -> None:
        self.index = index
        self.tokens = self.reasoning_tokens = 0
        self.ended = False
        self._texts = texts
        self._options = options
        self._stop_tokens, self._min_tokens = options.stop_tokens, options.min_tokens
        self._wants_logprobs = options.logprobs
        self._batch = _DESCRIBED_BATCH if options.logprobs else _BATCH
        self._detokenizer = Detokenizer(texts.pieces)
        self._stops = StopMatcher(options.stops)
        self._parser = parser
        self._echo = echo
        self._calls = 0
        # Log-probabilities that are not shown yet, each with the number of characters before it.
        self._logprobs: deque[tuple[int, TokenLogprob]] = deque()
        self._decoded = 0  # characters
        self._held = 0  # characters of content that the stop strings hold back or removed

    def events(self, tokens: Sequence[Token]) -> Iterator[AnswerDelta | ChoiceEnd]:
        """The events of `tokens`, all of this choice, and the end.

        Between two events lie a few milliseconds of work at most, so that the event loop can do other work there.
        """
        if tokens and self._echo:
            yield from self._echoed(tokens[0])
        for begin in range(0, len(tokens), self._batch):
            yield from self._events(tokens[begin : begin + self._batch])
            if self.ended:
                break

    def cut(self) -> list[AnswerDelta | ChoiceEnd]:
        """The end of a choice whose deadline is over; nothing if it has ended before."""
        if self.ended:
            return []
        self.ended = True
        return self._finished([], "deadline")

    def _events(self, tokens: Sequence[Token]) -> list[AnswerDelta | ChoiceEnd]:
        deltas: list[AnswerDelta] = []
        for token in tokens:
            if self._options.mute:
                self.ended = True
                return self._finished(deltas, "length")
            reason = self._add(token, deltas)
            if reason is not None:
                self.ended = True
                return self._finished(deltas, reason)
        return self._finished(deltas, None)

    def _add(self, token: Token, deltas: list[AnswerDelta]) -> FinishReason | None:
        """Add the visible text of a token to `deltas`; returns why the choice ends, if it does."""
        parser = self._parser
        self.tokens += 1
        if parser is not None and parser.reasoning:
            self.reasoning_tokens += 1
        is_end = token.finish == "stop" or (token.token in self._stop_tokens and self._may_stop())
        text = "" if is_end else self._detokenizer.feed(token.token)
        if self._wants_logprobs and (not is_end or self._options.end_logprob):
            self._logprobs.append((self._decoded, self._describe(token)))
        self._decoded += len(text)
        if parser is not None:
            self._show(parser.feed(text) if text else (), deltas)
        elif text and (text := self._let_through(text)):
            deltas.append(ContentDelta(self.index, text))
        if self._stops.stopped or is_end:
            return "stop"
        return "length" if token.finish == "length" else None

    def _may_stop(self) -> bool:
        return self.tokens > self._min_tokens and (self._parser is None or self._parser.in_content)

    def _let_through(self, content: str) -> str:
        """The content that the stop strings release now."""
        if self.tokens <= self._min_tokens:
            return content
        shown = self._stops.feed(content)
        self._held += len(content) - len(shown)
        return shown

    def _show(self, parsed: Sequence[AnswerDelta], deltas: list[AnswerDelta]) -> bool:
        """Add the text that passes the stop strings, nothing after a match; returns whether there was one."""
        for delta in parsed:
            if isinstance(delta, ContentDelta):
                if text := self._let_through(delta.text):
                    deltas.append(ContentDelta(self.index, text))
            elif not self._stops.stopped:
                deltas.append(delta)
        return self._stops.stopped

    def _finished(self, deltas: list[AnswerDelta], reason: FinishReason | None) -> list[AnswerDelta | ChoiceEnd]:
        """The deltas, neighbours of a kind as one, with their log-probabilities; and the end, if it has come."""
        if reason is not None and not self._stops.stopped:
            if self._parser is not None and self._show(self._parser.finish(), deltas):
                reason = "stop"
            if held := self._stops.flush():
                self._held -= len(held)
                deltas.append(ContentDelta(self.index, held))
        self._calls += sum(isinstance(delta, ToolCallBegin) for delta in deltas)
        events: list[AnswerDelta | ChoiceEnd] = list(self._with_logprobs(_joined(deltas)))
        if reason is not None:
            reason = "tool_calls" if self._calls and reason == "stop" else reason
            events.append(ChoiceEnd(self.index, reason, self._stops.matched))
        return events

    def _with_logprobs(self, deltas: list[AnswerDelta]) -> list[AnswerDelta]:
        released = self._released()
        if not released:
            return deltas
        for place, delta in enumerate(deltas):
            if isinstance(delta, ContentDelta):
                logprobs = (delta.logprobs or []) + released
                return [*deltas[:place], ContentDelta(self.index, delta.text, logprobs), *deltas[place + 1 :]]
        return [*deltas, ContentDelta(self.index, "", released)]

    def _released(self) -> list[TokenLogprob]:
        """Log-probabilities of the tokens whose text has begun to show; a stop string's own tokens never are."""
        done = self.ended and not self._stops.stopped
        shown = self._decoded - self._held
        released: list[TokenLogprob] = []
        while self._logprobs and (done or self._logprobs[0][0] < shown):
            released.append(self._logprobs.popleft()[1])
        return released

    def _echoed(self, token: Token) -> Iterator[ContentDelta]:
        """The prompt, which comes before the first token; that one brings the prompt's log-probabilities."""
        echo, self._echo = self._echo, ()
        detokenizer = Detokenizer(self._texts.pieces)
        for begin in range(0, len(echo), self._batch):
            text = "".join(map(detokenizer.feed, echo[begin : begin + self._batch]))
            entries = token.prompt[begin : begin + self._batch] if self._wants_logprobs else ()
            yield ContentDelta(self.index, text, [self._describe(entry) for entry in entries] or None)

    def _describe(self, token: Token) -> TokenLogprob:
        top = [self._entry(other) for other in token.top]
        entry = self._entry(Logprob(token.token, token.logprob))
        return TokenLogprob(token=entry.token, logprob=entry.logprob, bytes=entry.bytes, top_logprobs=top)

    def _entry(self, logprob: Logprob) -> TopLogprob:
        texts, token = self._texts, logprob.token
        piece = texts.pieces[token] if token < len(texts.pieces) else b""
        name = texts.names.get(token) or piece.decode(errors="replace")
        return TopLogprob(token=name, logprob=logprob.logprob, bytes=list(piece))


def _joined(deltas: Sequence[AnswerDelta]) -> list[AnswerDelta]:
    """The same with fewer of them: neighbours that continue each other are one."""
    if len(deltas) < 2:
        return list(deltas)
    return [joined for _, group in groupby(deltas, key=_target) for joined in _merged(list(group))]


def _target(delta: AnswerDelta) -> tuple[type[AnswerDelta], int]:
    """The target of a delta; deltas of one target can be joined."""
    return type(delta), delta.call if isinstance(delta, ToolCallBegin | ToolInputDelta) else -1


def _merged(group: Sequence[AnswerDelta]) -> Iterator[AnswerDelta]:
    """The deltas of one target as one."""
    match group[0]:
        case ContentDelta(index=index):
            texts = [delta for delta in group if isinstance(delta, ContentDelta)]
            logprobs = [entry for delta in texts for entry in delta.logprobs or ()]
            yield ContentDelta(index, "".join(delta.text for delta in texts), logprobs or None)
        case ReasoningDelta(index=index):
            yield ReasoningDelta(index, "".join(delta.text for delta in group if isinstance(delta, ReasoningDelta)))
        case ToolInputDelta(index=index, call=call, custom=custom):
            arguments = [delta.arguments for delta in group if isinstance(delta, ToolInputDelta)]
            yield ToolInputDelta(index, call, "".join(arguments), custom)
        case _:
            yield from group
