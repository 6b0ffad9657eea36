"""Loads models one after another, and unloads others to make room for them.

Everything here runs on the event loop, apart from the loaders, which run in threads.
"""

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from forefront.catalog.loading.eviction import plan_eviction
from forefront.catalog.loading.load_progress import LoadCancelledError, LoadProgress
from forefront.catalog.loading.loaded_model import LoadedModel, Progress
from forefront.catalog.loading.served_model import ServedModel
from forefront.catalog.machine.process_memory import measured
from forefront.catalog.sources.source import SourceError
from forefront.wire.errors import shutting_down

log = logging.getLogger(__name__)
T = TypeVar("T")

# Loads at a time: a slow one does not hold up all others, and many would share the cores.
_PARALLEL_LOADS: Final = 2
# Seconds that a model stays loaded at least before another takes its memory.
MINIMUM_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0


class LoadQueue:
    """The memory of all models, at most `limit` bytes, and the models that wait for some of it, in order of arrival.

    A model stays loaded for `minimum_seconds`, and for as long as its load took, before it is unloaded for another: at
    most half of the time goes into loading, for any requests.

    `memory` measures this process. A model whose load takes more than its estimate counts with what it took, if no
    other model loaded, ran or ended meanwhile. One that takes less counts with its estimate: its KV cache fills later.
    """

    def __init__(
        self,
        limit: float = math.inf,
        minimum_seconds: float = MINIMUM_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        memory: Callable[[], int] | None = None,
    ) -> None:
        self.limit = limit
        self.minimum_seconds = minimum_seconds
        self.closed = False
        self.models: list[ServedModel] = []
        self._clock = clock
        self._memory = memory
        self._unloaded_at = -math.inf  # the last time
        self._pending: deque[ServedModel] = deque()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(_PARALLEL_LOADS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._timers: dict[ServedModel, asyncio.TimerHandle] = {}

    def now(self) -> float:
        """See `LoadRequests.now`."""
        return self._clock()

    @property
    def held_bytes(self) -> int:
        """The memory of all models that are loaded, being loaded or being unloaded."""
        return sum(model.held_bytes for model in self.models)

    def add(self, model: ServedModel) -> None:
        """Count the memory of this model."""
        model.queue = self
        self.models.append(model)

    def load_now(self, model: ServedModel, progress: Progress) -> None:
        """Load a model before the event loop runs, whether or not there is room. Raises `SourceError`."""
        assert model.loader is not None
        loader, start = model.loader, self._clock()
        # In a thread like later loads, since libraries keep state of the thread that loads.
        model.attach(_start_thread(lambda: loader.load(progress), model.name).result())
        self._settle(model, self._clock() - start)

    def start(self) -> None:
        """Begin, on the running event loop."""
        for model in self.models:
            if model.loaded is not None:
                model.loaded.backend.start()
                self.idle(model)
        self._worker = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Stop loading and close all models; waiting and running requests end with an error."""
        self.closed = True
        if self._worker is not None:
            self._worker.cancel()
        for timer in self._timers.values():
            timer.cancel()
        loaded = []
        for model in self.models:
            model.refuse(shutting_down)
            model.enter(model.state)
            if model.progress is not None:
                model.progress.cancel()
            if model.loaded is not None:
                loaded.append(model.loaded)
        await asyncio.gather(*(model.backend.close() for model in loaded))
        if self._tasks:
            # A step of a load cannot be interrupted; its thread ends with the process.
            await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)

    def request(self, model: ServedModel) -> None:
        """See `LoadRequests.request`."""
        if model.state in ("unloaded", "failed"):
            model.enter("loading")
            self._pending.append(model)
        self.changed()

    def changed(self) -> None:
        """See `LoadRequests.changed`."""
        if self._pending:
            self._changed.set()

    def idle(self, model: ServedModel) -> None:
        """See `LoadRequests.idle`."""
        if model.leaving:
            self.unload(model)
        elif model.keep is not None and model.keep < math.inf and not self.closed:
            self._expire_at(model, model.used_at + model.keep)
        self.changed()

    def unload(self, model: ServedModel) -> None:
        """Unload a model without running requests. Does nothing if it is not loaded."""
        if model.loaded is not None and not model.running and not self.closed:
            self._spawn(self._unload([model.detach()], model))

    def set_bounds(self, limit: float, minimum_seconds: float) -> None:
        """Change the bounds. Idle models beyond them are unloaded."""
        self.limit, self.minimum_seconds = limit, minimum_seconds
        self._trim()
        self.changed()

    def admit(self, model: ServedModel) -> None:
        """Add a model while the server runs. One that is `required` is loaded."""
        self.add(model)
        if model.loaded is not None:
            model.loaded.backend.start()
        elif model.required:
            self.request(model)

    async def drop(self, model: ServedModel) -> None:
        """Return once the model is not loaded. One that is being loaded first serves the requests that wait for it."""
        while not self.closed:
            if model.loaded is not None:
                model.leaving = True
                self.unload(model)
            elif model.state != "unloading" and model.progress is None:
                return
            if await model.next_state() == "unloaded":
                return

    def retire(self, model: ServedModel, successor: ServedModel | None) -> None:
        """End a model that the configuration does not have any more. Running requests finish; those that wait go to
        its successor."""
        model.retired, model.leaving, model.successor, model.required = True, True, successor, False
        model.forward()
        if model.progress is not None:
            model.progress.cancel()
        elif model.loaded is not None:
            self.unload(model)
        elif model.state != "unloading":
            self._forget(model)

    async def _work(self) -> None:
        while True:
            while not self._pending:
                self._changed.clear()
                await self._changed.wait()
            model = self._pending[0]
            await self._slots.acquire()
            try:
                started = await self._begin(model)
            finally:
                self._pending.popleft()
            if not started:
                self._slots.release()

    async def _begin(self, model: ServedModel) -> bool:
        """Start the load of a model once it has room. False if it fails, or is not wanted any more."""
        assert model.loader is not None
        try:
            model.estimate = await _in_thread(model.loader.estimate, model.name)
            # One that has been loaded within the limit is not refused for its measured size.
            most = int(min(model.measured_bytes, self.limit - self._pinned_bytes()))
            model.memory_bytes = max(model.estimate.memory_bytes, most)
            if not await self._make_room(model, model.memory_bytes):
                return False
        except Exception as error:
            self._fail(model, error)
            return False
        model.held_bytes = model.memory_bytes
        model.progress = LoadProgress(model.memory_bytes, model.load_seconds, self._clock)
        self._spawn(self._load(model, model.progress))
        return True

    async def _make_room(self, model: ServedModel, needed: int) -> bool:
        """Return once `needed` bytes are free. False if nothing waits for the model any more. Raises `SourceError`."""
        since, drained = self._clock(), set[ServedModel]()
        try:
            while model.wanted:
                pinned = self._pinned_bytes()
                if needed > self.limit - pinned:
                    raise SourceError(no_room(model.name, needed, self.limit, pinned))
                missing = needed + self.held_bytes - self.limit
                if missing <= 0:
                    return True
                self._changed.clear()
                going = sum(other.held_bytes for other in self.models if other.state == "unloading" or other.leaving)
                residents = [other for other in self.models if _can_go(other)]
                plan = plan_eviction(residents, int(missing) - going, self._clock(), since)
                for other in plan.unload:
                    log.info("unloading %s to make room for %s", other.name, model.name)
                    self.unload(other)
                drained = self._drain(drained, set(plan.drain))
                await self._wait_for_change(plan.next_at)
            model.enter("unloaded")
            return False
        finally:
            self._drain(drained, set())

    def _pinned_bytes(self) -> int:
        return sum(model.held_bytes for model in self.models if model.pinned)

    def _drain(self, before: set[ServedModel], now: set[ServedModel]) -> set[ServedModel]:
        """Let the models of `now` take no requests, and those of `before` again."""
        for model in before - now:
            model.draining = False
            if model.takes_requests:
                model.grant()
        for model in now:
            model.draining = True
        return now

    async def _wait_for_change(self, until: float | None) -> None:
        delay = None if until is None else max(until - self._clock(), 0.001)
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _load(self, model: ServedModel, progress: LoadProgress) -> None:
        assert model.loader is not None
        loader, start = model.loader, self._clock()
        try:
            loaded, grown = await _in_thread(lambda: measured(lambda: loader.load(progress), self._memory), model.name)
        except Exception as error:
            self._fail(model, error)
            return
        finally:
            model.progress = None
            self._slots.release()
        seconds = self._clock() - start
        if self.closed or model.retired:
            await loaded.backend.close()
            self._fail(model, LoadCancelledError())
            return
        loaded.backend.start()
        if self._alone_since(start, model):
            model.measured_bytes = grown
        model.attach(loaded)
        self._settle(model, seconds)
        log.info("loaded %s in %.1f s: %s", model.name, seconds, gibibytes(model.memory_bytes))
        if model.takes_requests:
            model.grant()
        if not model.running:
            self.idle(model)
        self._trim()

    def _alone_since(self, start: float, model: ServedModel) -> bool:
        """Whether no other model was loaded, ran or ended since then, so that all growth is this model's."""
        others = [other for other in self.models if other is not model]
        busy = any(other.progress is not None or other.state == "unloading" or other.running for other in others)
        return not busy and all(moment < start for moment in [self._unloaded_at, *(other.used_at for other in others)])

    def _settle(self, model: ServedModel, seconds: float) -> None:
        model.load_seconds = seconds
        model.used_at = self._clock()
        model.settled_at = model.used_at + max(self.minimum_seconds, seconds)

    def _trim(self) -> None:
        """Unload idle models if loaded ones take more memory than they may."""
        excess = self.held_bytes - self.limit
        if excess > 0:
            for other in plan_eviction([m for m in self.models if _can_go(m)], int(excess), math.inf, 0.0).unload:
                self.unload(other)

    def _fail(self, model: ServedModel, error: Exception) -> None:
        model.held_bytes = 0
        if self.closed:
            return
        if model.retired:
            self._forget(model)
            return
        if isinstance(error, LoadCancelledError):
            model.enter("unloaded")
            return
        if isinstance(error, SourceError):
            reason = str(error)
            log.error("%s could not be loaded: %s", model.name, reason)
        else:
            reason = "an internal error"
            log.error("%s could not be loaded", model.name, exc_info=error)
        model.fail(reason)
        self.changed()

    async def _unload(self, loaded: list[LoadedModel], model: ServedModel) -> None:
        try:
            await loaded[0].backend.close()
        except Exception:
            log.exception("%s could not be closed", model.name)
        # Memory is freed where the last reference goes; that takes long for a large model.
        await _in_thread(loaded.clear, model.name)
        model.held_bytes = 0
        self._unloaded_at = self._clock()
        model.enter("unloaded")
        log.info("unloaded %s", model.name)
        if model.retired:
            self._forget(model)
            return
        model.leaving = False
        if model.wanted:
            self.request(model)
        self.changed()

    def _forget(self, model: ServedModel) -> None:
        if model in self.models:
            self.models.remove(model)
        self.changed()

    def _expire_at(self, model: ServedModel, when: float) -> None:
        if model not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[model] = loop.call_later(max(when - self._clock(), 0), self._expire, model)

    def _expire(self, model: ServedModel) -> None:
        del self._timers[model]
        if model.loaded is None or model.running or model.keep is None:
            return
        if (when := model.used_at + model.keep) > self._clock():
            self._expire_at(model, when)
        else:
            log.info("unloading %s, which was idle for %g s", model.name, model.keep)
            self.unload(model)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _can_go(model: ServedModel) -> bool:
    return model.loaded is not None and not model.pinned and not model.leaving and model.held_bytes > 0


def no_room(name: str, needed: int, limit: float, taken: int) -> str:
    """Why a model cannot be loaded. `taken`: bytes of models that stay loaded."""
    text = f"it needs {gibibytes(needed)} of memory, and models may take {gibibytes(limit)} (`loading.memory_gib`)"
    return f"{name}: {text}" + (f", of which {gibibytes(taken)} are taken" if taken else "")


def gibibytes(size: float) -> str:
    """A size for people."""
    return f"{size / 2**30:.2f} GiB"


async def _in_thread(call: Callable[[], T], name: str) -> T:
    """Return or raise the result of `call`, which runs in a thread."""
    return await asyncio.wrap_future(_start_thread(call, name))


def _start_thread(call: Callable[[], T], name: str) -> Future[T]:
    """Run `call` in a daemon thread: the process can end without it."""
    future: Future[T] = Future()

    def work() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

    threading.Thread(target=work, name=f"forefront-load-{name}", daemon=True).start()
    return future
