"""Several prompts' generations, as one stream of tokens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from forefront.engine.engine import Engine
from forefront.engine.errors import EngineError
from forefront.engine.generation import Generation, Token
from forefront.engine.request import GenerateRequest


class Batch:
    """Submits `requests` when it is made; iterate it once, and close it in any case.

    Choices are counted on over all requests: those of the second begin where those of the first end. Raises what
    `Engine.submit` raises, and iteration what the generations raise.
    """

    def __init__(self, engine: Engine, requests: Sequence[GenerateRequest]) -> None:
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
        """How many prompt tokens were found in the cache; true for each prompt from its first token on."""
        return sum(generation.cached_tokens for generation in self._firsts)

    @property
    def sampled(self) -> int:
        """How many tokens have been sampled."""
        return sum(generation.sampled for generation in self._firsts)

    def when_computed(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the engine has let go of all generations, read or not."""

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
        unfinished = dict(self._firsts)
        # Each generation once, in the order of news. Tokens stay with their generations, which count them.
        ready: dict[Generation, None] = dict.fromkeys(unfinished)
        news = asyncio.Event()
        for generation in unfinished:
            generation.notify = _notifier(generation, ready, news)
        while unfinished:
            if not ready:
                news.clear()
                await news.wait()
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
        """Stop computing; the iteration ends after what has arrived."""
        for generation in self._firsts:
            generation.leave()

    async def aclose(self) -> int:
        """Stop computing, and return how many tokens were sampled once the engine has let go."""
        for generation in self._firsts:
            generation.cancel()
        return sum([await generation.aclose() for generation in self._firsts])


def _notifier(generation: Generation, ready: dict[Generation, None], news: asyncio.Event) -> Callable[[], None]:
    def notify() -> None:
        ready[generation] = None
        news.set()

    return notify
