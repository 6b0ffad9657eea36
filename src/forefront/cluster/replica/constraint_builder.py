"""Builds constraints from their source, in the state after tokens of another replica."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from forefront.chat.grammar.compiler import Grammars
from forefront.chat.grammar.grammar_source import GrammarSource
from forefront.chat.output.min_tokens import minimum_length
from forefront.cluster.protocol.constraint_source import ConstraintSource
from forefront.engine.constraint import ConstraintFactory, replay
from forefront.engine.errors import ConstraintError
from forefront.engine.request import GenerateRequest, ResumedOutput
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.wire.errors import RequestError

_THREADS: Final = 2
_BUSY_SECONDS: Final = 0.05


class ConstraintBuilder:
    """Builds the constraints of one model's generations, off the event loop. Created on the running event loop."""

    def __init__(self, grammars: Grammars, end_tokens: frozenset[int], vocabulary_size: int) -> None:
        self._grammars, self._end_tokens, self._vocabulary_size = grammars, end_tokens, vocabulary_size
        self._pool = WorkerPool(_THREADS, "forefront-replays")
        # Generations that moved to a new replica should not wait longer.
        self._starting = asyncio.get_running_loop().create_task(grammars.start())

    async def build(self, source: ConstraintSource, request: GenerateRequest) -> GenerateRequest:
        """`request` with its constraint, which accepts the tokens of each resumed output. Raises `ConstraintError`."""
        try:
            factory = await self._factory(source, request.tenant)
        except RequestError as error:
            raise ConstraintError(error.message) from error
        if not request.resumed:
            return replace(request, constraint=factory)
        size = sum(len(output.tokens) for output in request.resumed)
        try:
            resumed = await self._pool.run(request.tenant, size, lambda: _replayed(factory, request))
        except Exception as error:
            raise ConstraintError("the constraint refuses tokens of the output") from error
        return replace(request, constraint=factory, resumed=resumed)

    def close(self) -> None:
        """End the threads and child processes."""
        self._grammars.close()
        self._pool.close()

    async def _factory(self, source: ConstraintSource, tenant: Tenant) -> ConstraintFactory:
        """Raises `RequestError`."""
        grammar = source.grammar
        factory = None if grammar is None else await self._compile(grammar, tenant)
        if source.min_tokens:
            return minimum_length(source.min_tokens, self._end_tokens, self._vocabulary_size, factory)
        if factory is None:
            raise ConstraintError("the constraint has no source")
        return factory

    async def _compile(self, grammar: GrammarSource, tenant: Tenant) -> ConstraintFactory:
        """Raises `RequestError`."""
        while True:
            try:
                return await self._grammars.compile(grammar, "grammar", tenant)
            except RequestError as error:
                if error.code != "overloaded":
                    raise
            # Many generations have moved here at once. They are already admitted, so they wait instead of failing.
            await asyncio.sleep(_BUSY_SECONDS)


def _replayed(factory: ConstraintFactory, request: GenerateRequest) -> Sequence[ResumedOutput]:
    return [
        replace(output, constraint=replay(factory(), output.tokens, request.max_tokens)) for output in request.resumed
    ]
