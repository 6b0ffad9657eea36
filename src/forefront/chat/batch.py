"""Several prompts' generations, as one stream of tokens."""

import asyncio
from collections.abc import AsyncIterator, Sequence

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
        self._generations: list[Generation] = []
        self._firsts: list[int] = []
        first = 0
        try:
            for request in requests:
                self._generations.append(engine.submit(request))
                self._firsts.append(first)
                first += request.n
        except EngineError:
            self.leave()
            raise

    @property
    def cached_tokens(self) -> int:
        """How many prompt tokens were found in the cache; true for each prompt from its first token on."""
        return sum(generation.cached_tokens for generation in self._generations)

    async def __aiter__(self) -> AsyncIterator[list[Token]]:
        if len(self._generations) == 1:
            async for tokens in self._generations[0]:
                yield tokens
            return
        arrived: asyncio.Queue[list[Token] | Exception | None] = asyncio.Queue()
        pumps = [
            asyncio.ensure_future(_pump(generation, first, arrived))
            for generation, first in zip(self._generations, self._firsts, strict=True)
        ]
        try:
            running = len(pumps)
            while running:
                item = await arrived.get()
                if isinstance(item, Exception):
                    raise item
                if item is None:
                    running -= 1
                else:
                    yield item
        finally:
            for pump in pumps:
                pump.cancel()

    def leave(self) -> None:
        """Stop computing; the iteration ends after what has arrived."""
        for generation in self._generations:
            generation.leave()

    async def aclose(self) -> int:
        """Stop computing, and return how many tokens were sampled once the engine has let go."""
        for generation in self._generations:
            generation.cancel()
        return sum([await generation.aclose() for generation in self._generations])


async def _pump(generation: Generation, first: int, arrived: "asyncio.Queue[list[Token] | Exception | None]") -> None:
    try:
        async for tokens in generation:
            arrived.put_nowait([token._replace(choice=token.choice + first) for token in tokens])
        arrived.put_nowait(None)
    except EngineError as error:
        arrived.put_nowait(error)
