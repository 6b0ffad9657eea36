"""Timers that unload idle models."""

import asyncio
import logging
import math
from collections.abc import Callable

from forefront.catalog.loading.served_model import ServedModel

log = logging.getLogger(__name__)


class IdleTimers:
    """A timer for each idle model whose `keep` is finite. `unload` starts to unload a model."""

    def __init__(self, clock: Callable[[], float], unload: Callable[[ServedModel], None]) -> None:
        self._clock = clock
        self._unload = unload
        self._timers: dict[ServedModel, asyncio.TimerHandle] = {}

    def start(self, model: ServedModel) -> None:
        """Unload the model once it has been idle for `keep` seconds."""
        if model.keep is not None and model.keep < math.inf:
            self._expire_at(model, model.used_at + model.keep)

    def cancel(self) -> None:
        """End all timers."""
        for timer in self._timers.values():
            timer.cancel()

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
            self._unload(model)
