"""Grammars of one model: compiled off the event loop, kept for the next request, refused in plain words."""

import asyncio
import contextlib
import queue
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from llguidance import LLMatcher

from forefront.chat.completion import Completer
from forefront.chat.constraint import GrammarConstraint
from forefront.chat.grammar_source import GrammarRefusedError, GrammarSource
from forefront.chat.proving import Prover, compile_here
from forefront.chat.triggered import TriggeredConstraint, Triggers
from forefront.chat.vocabulary import TokenIndex, Vocabulary
from forefront.engine.constraint import Constraint
from forefront.wire.errors import ApiError, shutting_down

_ENTRIES = 256
_TEXT_BYTES = 8 * 2**20
_TEXT_LIMIT = 256 * 1024
_REASON_LIMIT = 300
_WORKERS = 2
_WAITING = 64


class CompiledGrammar:
    """A grammar in its first state. `start` begins one continuation; it is what `GenerateRequest.constraint` takes.

    `shortest` is the length in tokens of the shortest answer that was found, None if none was.
    """

    def __init__(
        self,
        matcher: LLMatcher,
        completer: Completer,
        index: TokenIndex,
        plan: Sequence[int] | None,
        source: GrammarSource,
    ) -> None:
        self.shortest = len(plan) if plan is not None and not source.triggers else None
        self._matcher = matcher
        self._completer = completer.hinted(source.hints)
        self._vocabulary = index.vocabulary
        self._plan = plan
        self._ends = source.ends
        self._triggers = Triggers(source.triggers, matcher, index) if source.triggers else None

    def start(self) -> Constraint:
        """A constraint for one continuation."""
        if self._triggers is not None:
            return TriggeredConstraint(self._triggers, self._bound, len(self._plan or ()), ends=self._ends)
        return self._bound()

    def require(self, max_tokens: int) -> None:
        """Raise `ApiError` (422, `max_tokens`) if so few tokens are not enough for any answer."""
        if self.shortest is not None and max_tokens < self.shortest:
            text = f"`max_tokens` is {max_tokens}, but the shortest answer of this form has {self.shortest} tokens."
            raise ApiError("invalid_value", text, param="max_tokens")

    def _bound(self) -> GrammarConstraint:
        return GrammarConstraint(self._matcher.deep_copy(), self._vocabulary, self._completer, self._plan)


class Grammars:
    """Compiles grammars for one model. Making it indexes the model's tokens, which takes up to a second."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._index = TokenIndex(vocabulary)
        self._completer = Completer(self._index)
        self._cache: OrderedDict[bytes, tuple[asyncio.Future[CompiledGrammar], int]] = OrderedDict()
        self._cached_bytes = 0
        self._waiting = 0
        self._closed = False
        self._pool = ThreadPoolExecutor(_WORKERS, "forefront-grammars")
        self._provers: queue.SimpleQueue[Prover] = queue.SimpleQueue()
        for _ in range(_WORKERS):
            self._provers.put(Prover(vocabulary))

    async def compile(self, source: GrammarSource, param: str) -> CompiledGrammar:
        """The compiled grammar. Raises `ApiError`: 422 `invalid_value` with `param` and the reason if it cannot be
        used, 503 if too many wait to be compiled and at the server's end."""
        if len(source.text) > _TEXT_LIMIT:
            raise ApiError("invalid_value", f"`{param}` is longer than {_TEXT_LIMIT} characters.", param=param)
        found = self._find(source)
        try:
            return await asyncio.shield(found)
        except asyncio.CancelledError:
            if found.cancelled():  # by `close`
                raise shutting_down() from None
            raise
        except GrammarRefusedError as error:
            reason = " ".join(str(error).replace("<non-verbose/>", "").split())[:_REASON_LIMIT]
            raise ApiError("invalid_value", f"`{param}` cannot be used: {reason}", param=param) from None

    def close(self) -> None:
        """End the threads and their children. Blocks for seconds while one is being compiled."""
        self._closed = True
        self._pool.shutdown(cancel_futures=True)
        with contextlib.suppress(queue.Empty):
            while True:
                self._provers.get_nowait().stop()

    def _find(self, source: GrammarSource) -> asyncio.Future[CompiledGrammar]:
        """What is cached, refusals included, or a compilation that has begun; equal ones share it."""
        key = source.key
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key][0]
        if self._closed:
            raise shutting_down()
        if self._waiting >= _WAITING:
            raise ApiError("overloaded", "Too many grammars are being compiled; try again.")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._compile, source)
        future.add_done_callback(self._compiled)
        self._cache[key] = (future, len(source.text))
        self._cached_bytes += len(source.text)
        while len(self._cache) > _ENTRIES or self._cached_bytes > _TEXT_BYTES:
            _, (_, size) = self._cache.popitem(last=False)
            self._cached_bytes -= size
        return future

    def _compiled(self, future: "asyncio.Future[CompiledGrammar]") -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # whoever asked may be gone

    def _compile(self, source: GrammarSource) -> CompiledGrammar:
        prover = self._provers.get()
        try:
            plan = prover.prove(source)
        finally:
            self._provers.put(prover)
        return CompiledGrammar(compile_here(self._index, source), self._completer, self._index, plan, source)
