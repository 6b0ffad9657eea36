"""Grammars of one model: compiled off the event loop and cached."""

import asyncio
import contextlib
import queue
from collections import Counter, OrderedDict
from dataclasses import dataclass

from llguidance import LLMatcher

from forefront.chat.grammar.automaton.completion import Completer
from forefront.chat.grammar.automaton.network import INFINITE
from forefront.chat.grammar.grammar_constraint import GrammarConstraint
from forefront.chat.grammar.grammar_source import GrammarRefusedError, GrammarSource
from forefront.chat.grammar.grammar_worker import CheckedGrammar, GrammarWorker, compile_here
from forefront.chat.grammar.triggered_constraint import TriggeredConstraint, Triggers
from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary
from forefront.engine.constraint import Constraint
from forefront.fairness.fair_semaphore import SemaphoreClosedError
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import NO_TENANT, Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.wire.errors import RequestError, shutting_down

# The bound of the cache of compiled grammars in bytes. Sizes are estimated: measured schemas and regexes took 44 to 142
# bytes per character, and small ones 80 KiB.
_MEMORY = 64 * 2**20
_EACH = 64 * 2**10
_CHARACTER = 128
_TEXT_LIMIT = 256 * 1024
_REASON_LIMIT = 300
_WORKERS = 2
_WAITING = 64


class CompiledGrammar:
    """A grammar in its first state, compiled from `source`. Called, it begins one continuation: it is a
    `ConstraintFactory`.

    `shortest` is the fewest tokens of an answer as `Completer.distance` counts them, None if it is not known.
    `left_out` are the paths of keywords of schemas that are not enforced.
    """

    def __init__(self, matcher: LLMatcher, index: TokenIndex, checked: CheckedGrammar, source: GrammarSource) -> None:
        self.source = source
        self.left_out = checked.left_out
        self._matcher = matcher
        self._vocabulary = index.vocabulary
        self._completer: Completer | None = None
        self.shortest: int | None = None
        if checked.network is not None:
            checked.network.attach(index.longest)
            self._completer = Completer(checked.network, index.vocabulary.pieces)
            distance = self._completer.distance(self._completer.start())
            self.shortest = distance if distance < INFINITE else None
        self._triggers = Triggers(source.triggers, matcher, index) if source.triggers else None

    def __call__(self) -> Constraint:
        """A constraint for one continuation."""
        return self.start()

    def start(self) -> Constraint:
        """A constraint for one continuation."""
        if self._triggers is not None:
            return TriggeredConstraint(self._triggers, self._bound, self.shortest or 0, ends=self.source.ends)
        return self._bound()

    def _bound(self) -> GrammarConstraint:
        whole = self.source.whole and self._triggers is None
        return GrammarConstraint(self._matcher.deep_copy(), self._vocabulary, self._completer, whole=whole)


@dataclass(slots=True)
class _Compilation:
    """A running or finished compilation, and the number of requests that wait for it."""

    task: "asyncio.Task[CompiledGrammar]"
    size: int
    waiting: int = 0
    started: bool = False


class Grammars:
    """Compiles grammars for one model. Construction indexes the model's tokens, which takes up to a second. A tenant
    uses at most half of the workers and the room that others leave in the cache. Entries are not shared between
    tenants, so compile times reveal nothing about another tenant's grammars.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._index = TokenIndex(vocabulary)
        self._cache: OrderedDict[tuple[str, bytes], _Compilation] = OrderedDict()
        self._cached: Counter[str] = Counter()  # by tenant
        self._waiting = Quota(_WAITING)
        self._pool = WorkerPool(_WORKERS, "forefront-grammars")
        # The last worker first, because its child already runs.
        self._workers: queue.LifoQueue[GrammarWorker] = queue.LifoQueue()
        for _ in range(_WORKERS):
            self._workers.put(GrammarWorker(vocabulary))

    async def start(self) -> None:
        """Start a child, so that the first grammar does not wait for it."""

        def begin() -> None:
            worker = self._workers.get()
            try:
                worker.start()
            finally:
                self._workers.put(worker)

        with contextlib.suppress(GrammarRefusedError, SemaphoreClosedError):
            await self._pool.run(NO_TENANT, 1, begin)

    async def compile(self, source: GrammarSource, param: str, tenant: Tenant = NO_TENANT) -> CompiledGrammar:
        """The compiled grammar. Raises `RequestError`: 422 `invalid_value` with `param` and the reason if it cannot be
        used; 503 if too many of the tenant's grammars wait, or the server stops."""
        if len(source.text) > _TEXT_LIMIT:
            raise RequestError("invalid_value", f"`{param}` is longer than {_TEXT_LIMIT} characters.", param=param)
        key = (tenant.name, source.key)
        found = self._find(key, source, tenant)
        found.waiting += 1
        try:
            return await asyncio.shield(found.task)
        except SemaphoreClosedError:
            raise shutting_down() from None
        except GrammarRefusedError as error:
            raise _refusal(error, param) from None
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
                self._workers.get_nowait().stop()

    def _find(self, key: tuple[str, bytes], source: GrammarSource, tenant: Tenant) -> _Compilation:
        """The cached result (refusals are cached too), or the running compilation, which equal grammars of a tenant
        share."""
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        if not self._waiting.take(tenant.name, 1):
            raise RequestError("overloaded", "Too many grammars are being compiled; try again.")
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
            task.exception()  # the request that started it may have ended

    def _compile(self, source: GrammarSource, compilation: _Compilation) -> CompiledGrammar:
        compilation.started = True
        worker = self._workers.get()
        try:
            checked = worker.check(source)
        finally:
            self._workers.put(worker)
        return CompiledGrammar(compile_here(self._index, checked.llguidance), self._index, checked, source)


def _refusal(error: GrammarRefusedError, param: str) -> RequestError:
    """The error for a client: it names the field of the request, and shows nothing of a grammar made from it."""
    if error.path:
        place = error.path.removeprefix(param).lstrip(".")
        where = (
            f"`{error.path}`" if error.path.startswith("tools") else f"`{param}`" + (f" at `{place}`" if place else "")
        )
        text = f"{where} cannot be used: {error}"
        return RequestError("invalid_value", text[:_REASON_LIMIT], param=error.path[:_REASON_LIMIT])
    reason = " ".join(str(error).replace("<non-verbose/>", "").split())
    if param.startswith(("tools", "response_format")):
        reason = reason if reason.startswith("it ") or reason.startswith("the server") else "it is too complex"
    return RequestError("invalid_value", f"`{param}` cannot be used: {reason[:_REASON_LIMIT]}", param=param)
