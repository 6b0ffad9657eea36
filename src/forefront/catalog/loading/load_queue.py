"""Loads models one after another, and unloads others to make room for them.

Everything here runs on the event loop, apart from the loaders, which run in threads.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from forefront.catalog.loading.idle_timers import IdleTimers
from forefront.catalog.loading.load_progress import LoadCancelledError, LoadProgress
from forefront.catalog.loading.load_thread import in_thread, start_thread
from forefront.catalog.loading.loaded_model import LoadedModel, Progress
from forefront.catalog.loading.model_memory import ModelMemory, gibibytes
from forefront.catalog.loading.served_model import ServedModel
from forefront.catalog.machine.process_memory import measured
from forefront.catalog.sources.source import SourceError
from forefront.wire.errors import shutting_down

log = logging.getLogger(__name__)
T = TypeVar("T")

# Maximum parallel loads: more than one, so that a slow load does not delay all others; few, because they share the
# cores.
_PARALLEL_LOADS: Final = 2
# Minimum seconds that a model stays loaded before another takes its memory.
MINIMUM_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0


class LoadQueue:
    """The models that wait for memory, in order of arrival. All models take at most `limit` bytes.

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
        self.minimum_seconds = minimum_seconds
        self.closed = False
        self._clock = clock
        self._memory = memory
        self._unloaded_at = -math.inf  # the last time
        self._pending: deque[ServedModel] = deque()
        self._changed = asyncio.Event()
        self.model_memory = ModelMemory(limit, clock, self._changed, self.unload)
        self._slots = asyncio.Semaphore(_PARALLEL_LOADS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._timers = IdleTimers(clock, self.unload)

    def now(self) -> float:
        """See `LoadRequests.now`."""
        return self._clock()

    @property
    def models(self) -> list[ServedModel]:
        """All models, also those that are retired and still being unloaded."""
        return self.model_memory.models

    def add(self, model: ServedModel) -> None:
        """Count the memory of this model."""
        model.queue = self
        self.models.append(model)

    def load_now(self, model: ServedModel, progress: Progress) -> None:
        """Load a model before the event loop runs, whether or not there is room. Raises `SourceError`."""
        assert model.loader is not None
        loader, start = model.loader, self._clock()
        # In a thread like later loads, since libraries keep state of the thread that loads.
        model.attach(start_thread(lambda: loader.load(progress), model.name).result())
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
        self._timers.cancel()
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
        elif not self.closed:
            self._timers.start(model)
        self.changed()

    def unload(self, model: ServedModel) -> None:
        """Unload a model without running requests. Does nothing if it is not loaded."""
        if model.loaded is not None and not model.running and not self.closed:
            self._spawn(self._unload([model.detach()], model))

    def set_bounds(self, limit: float, minimum_seconds: float) -> None:
        """Change the bounds. Idle models beyond them are unloaded."""
        self.model_memory.limit, self.minimum_seconds = limit, minimum_seconds
        self.model_memory.trim()
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
            model.estimate = await in_thread(model.loader.estimate, model.name)
            # One that has been loaded within the limit is not refused for its measured size.
            maximum = int(min(model.measured_bytes, self.model_memory.limit - self.model_memory.pinned_bytes))
            model.memory_bytes = max(model.estimate.memory_bytes, maximum)
            if not await self.model_memory.make_room(model, model.memory_bytes):
                return False
        except Exception as error:
            self._fail(model, error)
            return False
        model.held_bytes = model.memory_bytes
        model.progress = LoadProgress(model.memory_bytes, model.load_seconds, self._clock)
        self._spawn(self._load(model, model.progress))
        return True

    async def _load(self, model: ServedModel, progress: LoadProgress) -> None:
        assert model.loader is not None
        loader, start = model.loader, self._clock()
        try:
            loaded, grown = await in_thread(lambda: measured(lambda: loader.load(progress), self._memory), model.name)
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
        self.model_memory.trim()

    def _alone_since(self, start: float, model: ServedModel) -> bool:
        """Whether no other model was loaded, ran or ended since then, so that all growth is this model's."""
        others = [other for other in self.models if other is not model]
        busy = any(other.progress is not None or other.state == "unloading" or other.running for other in others)
        return not busy and all(moment < start for moment in [self._unloaded_at, *(other.used_at for other in others)])

    def _settle(self, model: ServedModel, seconds: float) -> None:
        model.load_seconds = seconds
        model.used_at = self._clock()
        model.settled_at = model.used_at + max(self.minimum_seconds, seconds)

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
        await in_thread(loaded.clear, model.name)
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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
