"""The generations of several prompts as one stream of tokens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from forefront.chat.local.token_engine import TokenEngine
from forefront.engine.errors import EngineError
from forefront.engine.generation import Generation, Token
from forefront.engine.request import GenerateRequest


class Batch:
    """Submits `requests` on construction. Iterate it once, and always close it.

    Choices are numbered over all requests. The constructor raises what `Engine.submit` raises, and the iteration what
    the generations raise.
    """

    def __init__(self, engine: TokenEngine, requests: Sequence[GenerateRequest]) -> None:
        self._firsts: dict[Generation, int] = {}
        first = 0
        try:
            for request in requests:
                self._firsts[engine.submit(request)] = first
                first += request.n
        except EngineError:
            self.leave()
            raise
        self._computing = len(self._firsts)

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that came from the KV cache: of each prompt, once its first token is sampled."""
        return sum(generation.cached_tokens for generation in self._firsts)

    @property
    def predicted(self) -> tuple[int, int]:
        """Accepted and rejected tokens of the requests' predictions."""
        return (
            sum(generation.accepted_prediction_tokens for generation in self._firsts),
            sum(generation.rejected_prediction_tokens for generation in self._firsts),
        )

    @property
    def sampled(self) -> int:
        """Tokens sampled so far."""
        return sum(generation.sampled for generation in self._firsts)

    @property
    def moves(self) -> int:
        """Moves between replicas of a cluster."""
        return sum(generation.moves for generation in self._firsts)

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the replicas of a cluster; None for the model's own."""
        return next((generation.fingerprint for generation in self._firsts), None)

    def when_computed(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the engine has released all generations, read or not."""

        def released(_: object) -> None:
            self._computing -= 1
            if not self._computing:
                callback()

        for generation in self._firsts:
            generation.released.add_done_callback(released)

    async def __aiter__(self) -> AsyncIterator[list[Token]]:
        if len(self._firsts) == 1:
            for generation in self._firsts:
                async for tokens in generation:
                    yield tokens
            return
        # Each generation once, in order of arrival. Tokens stay with their generations, which count them.
        ready: dict[Generation, None] = dict.fromkeys(self._firsts)
        arrival = asyncio.Event()
        for generation in self._firsts:
            generation.notify = _notifier(generation, ready, arrival)
        try:
            async for tokens in self._joined(ready, arrival):
                yield tokens
        finally:
            for generation in self._firsts:
                generation.notify = None  # it refers to all of them

    async def _joined(self, ready: dict[Generation, None], arrival: asyncio.Event) -> AsyncIterator[list[Token]]:
        """The tokens of all generations as they arrive. `ready` has those with new tokens."""
        unfinished = dict(self._firsts)
        while unfinished:
            if not ready:
                arrival.clear()
                await arrival.wait()
            generation = next(iter(ready))
            del ready[generation]
            if generation not in unfinished:
                continue
            if tokens := generation.take():
                first = unfinished[generation]
                yield [token._replace(choice=token.choice + first) for token in tokens]
            if generation.exhausted:
                del unfinished[generation]

    def leave(self) -> None:
        """Stop computing. The iteration ends after the tokens that have arrived."""
        for generation in self._firsts:
            generation.leave()

    async def aclose(self) -> int:
        """Stop computing. The number of sampled tokens, once the engine has released all generations."""
        for generation in self._firsts:
            generation.cancel()
        return sum([await generation.aclose() for generation in self._firsts])


def _notifier(generation: Generation, ready: dict[Generation, None], arrival: asyncio.Event) -> Callable[[], None]:
    def notify() -> None:
        ready[generation] = None
        arrival.set()

    return notify
