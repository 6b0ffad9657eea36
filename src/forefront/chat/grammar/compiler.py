"""Grammars of one model: compiled off the event loop, kept for the next request, refused in plain words."""

import asyncio
import contextlib
import queue
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from llguidance import LLMatcher

from forefront.chat.grammar.completion_search import Completer
from forefront.chat.grammar.grammar_constraint import GrammarConstraint
from forefront.chat.grammar.grammar_worker import Prover, compile_here
from forefront.chat.grammar.source import GrammarRefusedError, GrammarSource
from forefront.chat.grammar.triggered_constraint import TriggeredConstraint, Triggers
from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary
from forefront.engine.constraint import Constraint
from forefront.fairness.fair_semaphore import SemaphoreClosedError
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import NO_TENANT, Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.wire.errors import ApiError, shutting_down

# Bytes of the compiled grammars that are kept, each of them estimated: schemas and regexes have taken 44 to 142 for a
# character, and small ones 80 KiB.
_MEMORY = 64 * 2**20
_EACH = 64 * 2**10
_CHARACTER = 128
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


@dataclass(slots=True)
class _Compilation:
    """A grammar under way or compiled, and how many requests wait for it."""

    task: "asyncio.Task[CompiledGrammar]"
    size: int
    waiting: int = 0
    started: bool = False


class Grammars:
    """Compiles grammars for one model. Making it indexes the model's tokens, which takes up to a second.

    A tenant has half of the workers at most, and of the cache what the others leave. It shares nothing of it: how long
    a compilation takes says nothing of another tenant's grammars.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._index = TokenIndex(vocabulary)
        self._completer = Completer(self._index)
        self._cache: OrderedDict[tuple[str, bytes], _Compilation] = OrderedDict()
        self._cached: Counter[str] = Counter()  # by tenant
        self._waiting = Quota(_WAITING)
        self._pool = WorkerPool(_WORKERS, "forefront-grammars")
        self._provers: queue.SimpleQueue[Prover] = queue.SimpleQueue()
        for _ in range(_WORKERS):
            self._provers.put(Prover(vocabulary))

    async def compile(self, source: GrammarSource, param: str, tenant: Tenant = NO_TENANT) -> CompiledGrammar:
        """The compiled grammar. Raises `ApiError`: 422 `invalid_value` with `param` and the reason if it cannot be
        used, 503 if too many of the tenant's wait to be compiled and at the server's end."""
        if len(source.text) > _TEXT_LIMIT:
            raise ApiError("invalid_value", f"`{param}` is longer than {_TEXT_LIMIT} characters.", param=param)
        key = (tenant.name, source.key)
        found = self._find(key, source, tenant)
        found.waiting += 1
        try:
            return await asyncio.shield(found.task)
        except SemaphoreClosedError:
            raise shutting_down() from None
        except GrammarRefusedError as error:
            reason = " ".join(str(error).replace("<non-verbose/>", "").split())[:_REASON_LIMIT]
            raise ApiError("invalid_value", f"`{param}` cannot be used: {reason}", param=param) from None
        finally:
            found.waiting -= 1
            if not found.waiting and not found.started:
                found.task.cancel()
                self._forget(key, found)

    def close(self) -> None:
        """End the threads and their children. Blocks for seconds while one is being compiled."""
        self._pool.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._provers.get_nowait().stop()

    def _find(self, key: tuple[str, bytes], source: GrammarSource, tenant: Tenant) -> _Compilation:
        """What is cached, refusals included, or a compilation that has begun; a tenant's equal ones share it."""
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        if not self._waiting.take(tenant.name, 1):
            raise ApiError("overloaded", "Too many grammars are being compiled; try again.")
        size = _EACH + _CHARACTER * len(source.text)
        task = asyncio.ensure_future(self._pool.run(tenant, size, lambda: self._compile(source, found)))
        found = _Compilation(task, size)
        task.add_done_callback(lambda _: self._compiled(task, tenant))
        self._cache[key] = found
        self._cached[tenant.name] += size
        while self._cached.total() > _MEMORY:
            largest = max(self._cached, key=self._cached.__getitem__)
            oldest = next(other for other in self._cache if other[0] == largest)
            self._forget(oldest, self._cache[oldest])
        return found

    def _forget(self, key: tuple[str, bytes], compilation: _Compilation) -> None:
        if self._cache.get(key) is not compilation:
            return
        del self._cache[key]
        self._cached[key[0]] -= compilation.size
        if not self._cached[key[0]]:
            del self._cached[key[0]]

    def _compiled(self, task: "asyncio.Task[CompiledGrammar]", tenant: Tenant) -> None:
        self._waiting.give_back(tenant.name, 1)
        if not task.cancelled():
            task.exception()  # the request that began it may be gone

    def _compile(self, source: GrammarSource, compilation: _Compilation) -> CompiledGrammar:
        compilation.started = True
        prover = self._provers.get()
        try:
            plan = prover.prove(source)
        finally:
            self._provers.put(prover)
        return CompiledGrammar(compile_here(self._index, source), self._completer, self._index, plan, source)
