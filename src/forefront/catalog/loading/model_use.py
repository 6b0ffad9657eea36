"""One request's use of a model."""

import asyncio
from typing import Any

from forefront.catalog.loading.loaded_model import Build, LoadedModel
from forefront.catalog.loading.served_model import ServedModel
from forefront.chat.backend import Backend
from forefront.wire.errors import RequestError, shutting_down


class ModelUse:
    """One request's use of a model: it waits until the model is loaded, and keeps it loaded until the request ends."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._used: LoadedModel | None = None
        self._is_fallback = False

    @property
    def name(self) -> str:
        """The name in the request, or that of the fallback."""
        return self._model.name

    @property
    def fallback(self) -> str | None:
        """The name of the model that answers in place of the requested one."""
        return self._model.name if self._is_fallback else None

    @property
    def backend(self) -> Backend[Any]:
        """The backend, once the model is loaded."""
        return self._loaded.backend

    @property
    def fingerprint(self) -> str:
        """See `LoadedModel`."""
        return self._loaded.fingerprint

    @property
    def build(self) -> Build:
        """See `LoadedModel`."""
        return self._loaded.build

    @property
    def _loaded(self) -> LoadedModel:
        if self._used is None:
            raise RuntimeError(f"the model {self.name} is not in use")
        return self._used

    def __enter__(self) -> "ModelUse":
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def switch(self, model: ServedModel) -> None:
        """Use another model instead, from the next `wait` on."""
        self._leave()
        self._model = model
        self._is_fallback = True

    def _leave(self) -> None:
        if self._used is not None:
            self._used = None
            self._model.end_use()
        elif self._model.waiting.pop(self, None) is not None and self._model.queue is not None:
            self._model.queue.changed()

    def begin(self) -> None:
        """The model is loaded and stays so."""
        self._used = self._model.loaded
        self._model.running += 1

    async def wait(self, *, at_once: bool = False) -> None:
        """Return once the model is loaded. `at_once`: also try a load that has just failed.

        Raises `RequestError`: `model_unavailable` if loading fails, `model_not_found` if the model is removed
        meanwhile, and `shutting_down`.
        """
        while self._used is None:
            model = self._model
            if model.takes_requests:
                self.begin()
                return
            if model.retired:
                if model.successor is None:
                    raise RequestError("model_not_found", f"The model `{self.name}` was removed.", param="model")
                self._model = model.successor
                continue
            queue = model.queue
            if queue is None or queue.closed:
                raise shutting_down()
            if model.failure is not None and model.state == "failed" and not at_once:
                now = queue.now()
                if now < model.failure.retry_at:
                    raise model.failure.error(self.name, now)
            model.waiting[self] = future = asyncio.get_running_loop().create_future()
            queue.request(model)
            await future

    def progress(self) -> str | None:
        """A message about the request's wait; None when the model is loaded."""
        if self._used is not None:
            return None
        progress = self._model.progress
        return f"waiting to load {self.name}" if progress is None else f"loading {self.name} {progress.percent} %"
