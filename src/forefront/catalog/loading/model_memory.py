"""The memory of all models: what they hold, and the room for another."""

import asyncio
import logging
import math
from collections.abc import Callable

from forefront.catalog.loading.eviction import plan_eviction
from forefront.catalog.loading.served_model import ServedModel
from forefront.catalog.sources.source import SourceError

log = logging.getLogger(__name__)


class ModelMemory:
    """Limits all `models` to `limit` bytes. `changed` is set when memory may have become free; `unload` starts to
    unload a model."""

    def __init__(
        self, limit: float, clock: Callable[[], float], changed: asyncio.Event, unload: Callable[[ServedModel], None]
    ) -> None:
        self.limit = limit
        self.models: list[ServedModel] = []
        self._clock = clock
        self._changed = changed
        self._unload = unload

    @property
    def held_bytes(self) -> int:
        """The memory of all models that are loaded, being loaded or being unloaded."""
        return sum(model.held_bytes for model in self.models)

    @property
    def pinned_bytes(self) -> int:
        """The memory of models that stay loaded."""
        return sum(model.held_bytes for model in self.models if model.pinned)

    def trim(self) -> None:
        """Unload idle models if loaded ones take more memory than they may."""
        excess = self.held_bytes - self.limit
        if excess > 0:
            for other in plan_eviction([m for m in self.models if _can_go(m)], int(excess), math.inf, 0.0).unload:
                self._unload(other)

    async def make_room(self, model: ServedModel, needed: int) -> bool:
        """Return once `needed` bytes are free. False if nothing waits for the model any more. Raises `SourceError`."""
        since, drained = self._clock(), set[ServedModel]()
        try:
            while model.wanted:
                pinned = self.pinned_bytes
                if needed > self.limit - pinned:
                    raise SourceError(no_memory_message(model.name, needed, self.limit, pinned))
                missing = needed + self.held_bytes - self.limit
                if missing <= 0:
                    return True
                self._changed.clear()
                going = sum(other.held_bytes for other in self.models if other.state == "unloading" or other.leaving)
                residents = [other for other in self.models if _can_go(other)]
                plan = plan_eviction(residents, int(missing) - going, self._clock(), since)
                for other in plan.unload:
                    log.info("unloading %s to make room for %s", other.name, model.name)
                    self._unload(other)
                drained = self._drain(drained, set(plan.drain))
                await self._wait_for_change(plan.next_at)
            model.enter("unloaded")
            return False
        finally:
            self._drain(drained, set())

    def _drain(self, before: set[ServedModel], now: set[ServedModel]) -> set[ServedModel]:
        """Stop the models of `now` from taking requests, and let those of `before` take them again."""
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


def _can_go(model: ServedModel) -> bool:
    return model.loaded is not None and not model.pinned and not model.leaving and model.held_bytes > 0


def no_memory_message(name: str, needed: int, limit: float, taken: int) -> str:
    """Why a model cannot be loaded. `taken`: bytes of models that stay loaded."""
    text = f"it needs {gibibytes(needed)} of memory, and models may take {gibibytes(limit)} (`loading.memory_gib`)"
    return f"{name}: {text}" + (f", of which {gibibytes(taken)} are taken" if taken else "")


def gibibytes(size: float) -> str:
    """A size as text in GiB."""
    return f"{size / 2**30:.2f} GiB"
