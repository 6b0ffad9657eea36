"""One choice of an answer: tokens in, shown text out."""

from collections.abc import Sequence

from forefront.chat.detokenizer import Detokenizer
from forefront.chat.events import ChoiceEnd, TextDelta
from forefront.chat.stops import StopMatcher
from forefront.engine.generation import Token
from forefront.wire.response import FinishReason, TokenLogprob, TopLogprob


class Answer:
    """Turns the tokens of choice `index` into events, until the model, a stop string or the token limit ends it.

    `tokens` counts what the engine sampled up to the end; what it sampled on before it could be told of a stop string
    is not counted.
    """

    def __init__(self, index: int, pieces: Sequence[bytes], stops: Sequence[str], *, logprobs: bool) -> None:
        self.index = index
        self.tokens = 0
        self.ended = False
        self._pieces = pieces
        self._detokenizer = Detokenizer(pieces)
        self._stops = StopMatcher(stops)
        self._logprobs: list[tuple[int, TokenLogprob]] | None = [] if logprobs else None
        self._read = 0  # characters decoded
        self._shown = 0  # characters let through

    def feed(self, token: Token) -> tuple[str, FinishReason | None]:
        """The text to show now, and why the answer ends if it does."""
        if self.ended:
            return "", None
        self.tokens += 1
        stopped = token.finish == "stop"
        decoded = "" if stopped else self._detokenizer.feed(token.token)
        if self._logprobs is not None and not stopped:
            self._logprobs.append((self._read, self._describe(token)))
        self._read += len(decoded)
        text = self._stops.feed(decoded)
        self.ended = self._stops.stopped or token.finish is not None
        if self.ended:
            text += self._stops.flush()
        self._shown += len(text)
        if self._stops.stopped:
            return text, "stop"
        return text, "length" if token.finish == "length" else "stop" if stopped else None

    def events(self, tokens: Sequence[Token]) -> list[TextDelta | ChoiceEnd]:
        """What `tokens`, all of this choice, add to the answer: one delta at most, and the end."""
        text, reason = "", None
        for token in tokens:
            more, reason = self.feed(token)
            text += more
            if self.ended:
                break
        logprobs = self._released()
        events: list[TextDelta | ChoiceEnd] = [TextDelta(self.index, text, logprobs)] if text or logprobs else []
        if reason is not None:
            events.append(ChoiceEnd(self.index, reason))
        return events

    def _released(self) -> list[TokenLogprob] | None:
        """Log-probabilities of the tokens whose text has begun to show; a stop string's own tokens never are."""
        if self._logprobs is None:
            return None
        done = self.ended and not self._stops.stopped
        released = [entry for start, entry in self._logprobs if done or start < self._shown]
        self._logprobs = self._logprobs[len(released) :]
        return released

    def _describe(self, token: Token) -> TokenLogprob:
        top = [self._entry(other.token, other.logprob) for other in token.top]
        own = self._entry(token.token, token.logprob)
        return TokenLogprob(token=own.token, logprob=own.logprob, bytes=own.bytes, top_logprobs=top)

    def _entry(self, token: int, logprob: float) -> TopLogprob:
        piece = self._pieces[token] if token < len(self._pieces) else b""
        return TopLogprob(token=piece.decode(errors="replace"), logprob=logprob, bytes=list(piece))
