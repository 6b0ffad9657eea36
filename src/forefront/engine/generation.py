"""The caller's end of a request: an asynchronous stream of tokens that can be cancelled."""

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
    """A sampled token of continuation `choice`. `finish` is `stop` or `length` on its last one, which for `stop` is
    the stop token itself. `logprob` and `top` (likeliest first) are there when log-probabilities were asked for; those
    of the prompt's tokens come with the first token, in `prompt`. Nothing stands before the first of them: that one's
    is NaN."""

    choice: int
    token: int
    finish: str | None = None
    logprob: float = 0.0
    top: tuple[Logprob, ...] = ()
    prompt: tuple["Token", ...] = ()


class Generation:
    """What `Engine.submit` returns. Iterate it once, on the event loop that submitted it; leave early with `cancel`.

    Each item is the list of tokens that arrived since the last one, in order. Iteration ends after every continuation
    has finished, or raises an `EngineError`. In place of iteration, `take` what there is whenever `notify` is called.
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
        self._cancel = cancel
        self._backlog = backlog
        self._arrived: list[Token] = []
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._left = self._dropped = False
        # Called on the event loop with every change.
        self.notify: Callable[[], None] = self._wake
        # Done once the engine has let go: no more tokens will be sampled.
        self.released: asyncio.Future[None] = loop.create_future()
        # How many tokens have been sampled, over all continuations.
        self.sampled = 0
        # The prompt's tokens with their log-probabilities, if they were asked for.
        self.prompt_scores: list[Token] = []
        # How many prompt tokens were found in the cache; true from the first token on.
        self.cached_tokens = 0

    async def __aiter__(self) -> AsyncIterator[list[Token]]:
        while True:
            if self._arrived or self._error is not None:
                yield self.take()
            elif self._unfinished == 0 or self._left:
                return
            else:
                self._waiter = self._loop.create_future()
                await self._waiter

    @property
    def exhausted(self) -> bool:
        """Whether everything has been taken and nothing more will come."""
        return not self._arrived and self._error is None and (self._unfinished == 0 or self._left)

    def take(self) -> list[Token]:
        """What has arrived since the last call. Raises an `EngineError` after the last token of a failed generation."""
        if not self._arrived and self._error is not None:
            raise self._error
        tokens, self._arrived = self._arrived, []
        self._unfinished -= sum(1 for token in tokens if token.finish)
        if self._backlog is not None:
            self._backlog.taken()
        return tokens

    def cancel(self) -> None:
        """Stop computing, give all blocks back and drop what has not been taken."""
        self._stop()
        self._dropped = True
        self._arrived = []
        if self._backlog is not None:
            self._backlog.taken()

    def leave(self) -> None:
        """Stop computing, and let the iteration end after what has arrived."""
        self._stop()
        self._left = True
        self.notify()

    async def aclose(self) -> int:
        """Cancel, and return how many tokens were sampled once the engine has let go: no more will be."""
        self.cancel()
        await asyncio.shield(self.released)
        return self.sampled

    def deliver(self, tokens: list[Token], *, last: bool) -> None:
        """Hand over sampled tokens; on the event loop."""
        behind = bool(self._arrived)
        if not self._dropped:
            self._arrived += tokens
        self.sampled += len(tokens)
        self._ended = self._ended or last
        if last:
            self.release()
        if behind and self._backlog is not None:
            self._backlog.behind(self._arrived, last=self._ended)
        self.notify()

    def fail(self, error: Exception) -> None:
        """End with an error; on the event loop."""
        self._error = error
        self._ended = True
        self.release()
        self.notify()

    def release(self) -> None:
        """The engine has let go; on the event loop."""
        if not self.released.done():
            self.released.set_result(None)

    def _stop(self) -> None:
        if not self._ended:
            self._ended = True
            self._cancel(self)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
