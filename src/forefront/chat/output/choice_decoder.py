"""One choice of an answer: tokens in, what is shown out."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from forefront.chat.events import ChoiceEnd, Delta, ReasoningDelta, TextDelta, ToolCallBegin, ToolCallDelta
from forefront.chat.output.detokenizer import Detokenizer
from forefront.chat.output.stop_strings import StopMatcher, StopStrings
from forefront.engine.generation import Logprob, Token
from forefront.wire.response import FinishReason, TokenLogprob, TopLogprob

# Tokens at a time: with 20 alternatives each, a few milliseconds.
_PIECE = 128


class Reader(Protocol):
    """Tells apart what an answer's text is made of. Any way of cutting the text gives the same deltas, put together."""

    @property
    def reasoning(self) -> bool:
        """Whether what comes next belongs to the model's reasoning, as far as can be told."""

    def feed(self, text: str) -> list[Delta]:
        """What more text adds."""

    def finish(self) -> list[Delta]:
        """What was held back, at the end."""


class Answer:
    """Turns the tokens of choice `index` into events, until the model, a stop string or the token limit ends it.

    `pieces` are the tokens' bytes; without a `reader` all text is content. The tokens `echo` are shown before the first
    one. A `mute` answer shows none of its own. `tokens` counts what the engine sampled up to the end, and
    `reasoning_tokens` those within reasoning; what it sampled on before it could be told of a stop string is not
    counted.
    """

    def __init__(
        self,
        index: int,
        pieces: Sequence[bytes],
        stops: StopStrings,
        *,
        logprobs: bool,
        reader: Reader | None = None,
        echo: Sequence[int] = (),
        mute: bool = False,
    ) -> None:
        self.index = index
        self.tokens = self.reasoning_tokens = 0
        self.ended = False
        self._pieces = pieces
        self._detokenizer = Detokenizer(pieces)
        self._stops = StopMatcher(stops)
        self._reader = reader
        self._echo = echo
        self._mute = mute
        self._calls = 0
        self._wants_logprobs = logprobs
        self._logprobs: deque[tuple[int, TokenLogprob]] = deque()  # not shown yet, each with its place in the text
        self._read = 0  # characters decoded
        self._shown = 0  # characters let through

    def events(self, tokens: Sequence[Token]) -> Iterator[Delta | ChoiceEnd]:
        """What `tokens`, all of this choice, add to the answer, and the end.

        Between two events lies the work of a few milliseconds at most, so that the event loop can do other work there.
        """
        if tokens and self._echo:
            yield from self._echoed(tokens[0])
        for begin in range(0, len(tokens), _PIECE):
            yield from self._events(tokens[begin : begin + _PIECE])
            if self.ended:
                break

    def _events(self, tokens: Sequence[Token]) -> list[Delta | ChoiceEnd]:
        deltas: list[Delta] = []
        reason: FinishReason | None = None
        for token in tokens:
            if self._mute:
                self.ended, reason = True, "length"
                break
            text, reason = self._feed(token)
            deltas += self._deltas(text)
            if self.ended:
                break
        return self._finished(deltas, reason)

    def cut(self) -> list[Delta | ChoiceEnd]:
        """The end of an answer whose time is over; nothing if it has ended by itself."""
        if self.ended:
            return []
        self.ended = True
        text = self._stops.flush()
        self._shown += len(text)
        return self._finished(self._deltas(text), "deadline")

    def _feed(self, token: Token) -> tuple[str, FinishReason | None]:
        """The text to show now, and why the answer ends if it does."""
        self.tokens += 1
        if self._reader is not None and self._reader.reasoning:
            self.reasoning_tokens += 1
        stopped = token.finish == "stop"
        decoded = "" if stopped else self._detokenizer.feed(token.token)
        if self._wants_logprobs and not stopped:
            self._logprobs.append((self._read, self._describe(token)))
        self._read += len(decoded)
        text = self._stops.feed(decoded)
        self.ended = self._stops.stopped or token.finish is not None
        if self.ended:
            text += self._stops.flush()
        self._shown += len(text)
        if self._stops.stopped:
            return text, "stop"
        return text, "length" if token.finish == "length" else "stop" if token.finish else None

    def _deltas(self, text: str) -> list[Delta]:
        if self._reader is None:
            return [TextDelta(self.index, text)] if text else []
        return self._reader.feed(text) if text else []

    def _finished(self, deltas: list[Delta], reason: FinishReason | None) -> list[Delta | ChoiceEnd]:
        """The deltas, neighbours of a kind put together, with their log-probabilities; and the end, if it has come."""
        if reason is not None and self._reader is not None:
            deltas += self._reader.finish()
        self._calls += sum(isinstance(delta, ToolCallBegin) for delta in deltas)
        events: list[Delta | ChoiceEnd] = list(self._with_logprobs(_joined(deltas)))
        if reason is not None:
            events.append(ChoiceEnd(self.index, "tool_calls" if self._calls and reason == "stop" else reason))
        return events

    def _with_logprobs(self, deltas: list[Delta]) -> list[Delta]:
        released = self._released()
        if not released:
            return deltas
        for place, delta in enumerate(deltas):
            if isinstance(delta, TextDelta):
                told = (delta.logprobs or []) + released
                return [*deltas[:place], TextDelta(self.index, delta.text, told), *deltas[place + 1 :]]
        return [*deltas, TextDelta(self.index, "", released)]

    def _released(self) -> list[TokenLogprob]:
        """Log-probabilities of the tokens whose text has begun to show; a stop string's own tokens never are."""
        done = self.ended and not self._stops.stopped
        released: list[TokenLogprob] = []
        while self._logprobs and (done or self._logprobs[0][0] < self._shown):
            released.append(self._logprobs.popleft()[1])
        return released

    def _echoed(self, token: Token) -> Iterator[TextDelta]:
        """The prompt, which comes before the first token; that one brings the prompt's log-probabilities."""
        echo, self._echo = self._echo, ()
        detokenizer = Detokenizer(self._pieces)
        for begin in range(0, len(echo), _PIECE):
            text = "".join(map(detokenizer.feed, echo[begin : begin + _PIECE]))
            entries = token.prompt[begin : begin + _PIECE] if self._wants_logprobs else ()
            yield TextDelta(self.index, text, [self._describe(entry) for entry in entries] or None)

    def _describe(self, token: Token) -> TokenLogprob:
        top = [self._entry(other) for other in token.top]
        own = self._entry(Logprob(token.token, token.logprob))
        return TokenLogprob(token=own.token, logprob=own.logprob, bytes=own.bytes, top_logprobs=top)

    def _entry(self, told: Logprob) -> TopLogprob:
        piece = self._pieces[told.token] if told.token < len(self._pieces) else b""
        return TopLogprob(token=piece.decode(errors="replace"), logprob=told.logprob, bytes=list(piece))


def _joined(deltas: Sequence[Delta]) -> list[Delta]:
    """The same with fewer of them: neighbours that continue each other are one."""
    if len(deltas) < 2:
        return list(deltas)
    return [joined for _, group in groupby(deltas, key=_target) for joined in _merged(list(group))]


def _target(delta: Delta) -> tuple[type[Delta], int]:
    """What a delta adds to; those of one target can be joined."""
    return type(delta), delta.call if isinstance(delta, ToolCallBegin | ToolCallDelta) else -1


def _merged(group: Sequence[Delta]) -> Iterator[Delta]:
    """The deltas of one target as one."""
    match group[0]:
        case TextDelta(index=index):
            texts = [delta for delta in group if isinstance(delta, TextDelta)]
            logprobs = [entry for delta in texts for entry in delta.logprobs or ()]
            yield TextDelta(index, "".join(delta.text for delta in texts), logprobs or None)
        case ReasoningDelta(index=index):
            yield ReasoningDelta(index, "".join(delta.text for delta in group if isinstance(delta, ReasoningDelta)))
        case ToolCallDelta(index=index, call=call, custom=custom):
            arguments = [delta.arguments for delta in group if isinstance(delta, ToolCallDelta)]
            yield ToolCallDelta(index, call, "".join(arguments), custom)
        case _:
            yield from group
