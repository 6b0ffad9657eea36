"""A running request as its caller sees it: an asynchronous stream of tokens that can be cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from forefront.engine.backlog import Backlog


class Logprob(NamedTuple):
    """The natural logarithm of a token's probability under the model."""

    token: int
    logprob: float


class Token(NamedTuple):
    """A sampled token of continuation `choice`. `finish`: `stop` or `length` on the last one, which for `stop` is the
    stop token itself. `logprob` and `top` (most likely first) are set when log-probabilities are requested. `prompt`,
    on the first token, has those of the prompt's tokens if requested; that of the first prompt token is NaN."""

    choice: int
    token: int
    finish: str | None = None
    logprob: float = 0.0
    top: tuple[Logprob, ...] = ()
    prompt: tuple["Token", ...] = ()


class Generation:
    """The result of `Engine.submit`. Iterate it once, on the event loop that submitted it; end early with `cancel`.

    Each item is the list of tokens that arrived since the last one, in order. Iteration ends when every continuation
    has finished, or raises an `EngineError`. Instead of iterating, call `take` whenever `notify` is called.

    A released generation is part of no reference cycle: thousands of them would otherwise wait for the garbage
    collector, which stops the event loop while it frees them.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        count: int,
        cancel: Callable[["Generation"], None],
        backlog: "Backlog | None" = None,
    ) -> None:
        self._loop = loop
        self._unfinished = count
        self._cancel: Callable[[Generation], None] | None = cancel
        self._backlog = backlog
        self._arrived: list[Token] = []
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._closed = self._dropped = False
        # Called on the event loop with every change.
        self.notify: Callable[[], None] | None = None
        # Done once the engine has released the generation: no more tokens will be sampled.
        self.released: asyncio.Future[None] = loop.create_future()
        # Sampled tokens of all continuations.
        self.sampled = 0
        # The prompt's tokens with their log-probabilities, if requested.
        self.prompt_scores: list[Token] = []
        # Prompt tokens found in the cache; set from the first token on.
        self.cached_tokens = 0
        # Tokens of the request's prediction that were drafted, of all continuations.
        self.accepted_prediction_tokens = self.rejected_prediction_tokens = 0
        # On a cluster: how often the generation has moved to another replica, and the fingerprint of its replicas.
        self.moves = 0
        self.fingerprint: str | None = None

    async def __aiter__(self) -> AsyncIterator[list[Token]]:
        while True:
            if self._arrived or self._error is not None:
                yield self.take()
            elif self._unfinished == 0 or self._closed:
                return
            else:
                self._waiter = self._loop.create_future()
                await self._waiter

    @property
    def exhausted(self) -> bool:
        """Whether all tokens have been taken and no more will arrive."""
        return not self._arrived and self._error is None and (self._unfinished == 0 or self._closed)

    def take(self) -> list[Token]:
        """The tokens since the last call. Raises an `EngineError` after the last token of a failed generation."""
        if not self._arrived and self._error is not None:
            raise self._error
        tokens, self._arrived = self._arrived, []
        self._unfinished -= sum(1 for token in tokens if token.finish)
        if self._backlog is not None:
            self._backlog.clear()
        return tokens

    def cancel(self) -> None:
        """Stop computing, release all blocks and drop the tokens that have not been taken."""
        self._stop()
        self._dropped = True
        self._arrived = []
        if self._backlog is not None:
            self._backlog.clear()

    def leave(self) -> None:
        """Stop computing, and end the iteration after the tokens that have arrived."""
        self._stop()
        self._closed = True
        self._wake()

    async def aclose(self) -> int:
        """Cancel, wait until the engine has released the generation, and return the number of sampled tokens."""
        self.cancel()
        await asyncio.shield(self.released)
        return self.sampled

    def deliver(self, tokens: list[Token], *, last: bool) -> None:
        """Hand over sampled tokens; on the event loop."""
        unread = bool(self._arrived)
        if not self._dropped:
            self._arrived += tokens
        self.sampled += len(tokens)
        self._ended = self._ended or last
        if last:
            self.release()
        if unread and self._backlog is not None:
            self._backlog.hold(self._arrived, last=self._ended)
        self._wake()

    def fail(self, error: Exception) -> None:
        """End with an error; on the event loop."""
        self._error = error
        self._ended = True
        self.release()
        self._wake()

    def release(self) -> None:
        """Mark as released by the engine; on the event loop."""
        if not self.released.done():
            self.released.set_result(None)
        self._cancel = None
        if self._backlog is not None:
            self._backlog.end()

    def _stop(self) -> None:
        if not self._ended:
            self._ended = True
            if self._cancel is not None:
                self._cancel(self)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self.notify is not None:
            self.notify()
