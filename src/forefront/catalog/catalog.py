"""The models of the server, by name."""

import asyncio
import difflib
import math
from collections.abc import Collection, Iterator, Sequence

from forefront.catalog.loading.load_queue import LoadQueue
from forefront.catalog.loading.loaded_model import Build, LoadedModel, Progress
from forefront.catalog.loading.model_use import ModelUse
from forefront.catalog.loading.served_model import ServedModel
from forefront.wire.errors import RequestError

__all__ = ["Build", "Catalog", "LoadedModel", "ModelUse", "ServedModel"]


class Catalog:
    """Every model of the server, in the order in which they were named; the first is the default of the clients."""

    def __init__(self, models: Sequence[ServedModel], queue: LoadQueue | None = None) -> None:
        self._queue = queue or LoadQueue()
        self._models = {model.name: model for model in models}
        for model in models:
            self._queue.add(model)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def loaded(self) -> list[ServedModel]:
        """The models whose backends answer."""
        return [model for model in self if model.loaded is not None]

    def find(self, name: str) -> ServedModel | None:
        """The model of that name, if there is one."""
        return self._models.get(name)

    def get(self, name: str, allowed: Collection[str] | None = None) -> ServedModel:
        """The model of that name. Raises `RequestError` `model_not_found` (404), which names those that are
        `allowed`."""
        model = self._models.get(name)
        if model is None:
            known = [model.name for model in self.visible(allowed)]
            folded = {other.casefold(): other for other in known}
            near = difflib.get_close_matches(name[:128].casefold(), folded, n=1)
            hint = f" Did you mean `{folded[near[0]]}`?" if near else ""
            served = ", ".join(f"`{model}`" for model in known) or "none"
            text = f"There is no model `{name[:128]}` here.{hint} Served: {served}."
            raise RequestError("model_not_found", text, param="model")
        return model

    @property
    def memory(self) -> int:
        """Bytes of memory that models take, are taking, or are giving back."""
        return self._queue.model_memory.held_bytes

    @property
    def memory_limit(self) -> int | None:
        """Bytes; None for no limit."""
        return None if self._queue.model_memory.limit == math.inf else int(self._queue.model_memory.limit)

    @property
    def is_loading(self) -> bool:
        """Whether a load runs in a thread."""
        return any(model.progress is not None for model in self)

    def visible(self, allowed: Collection[str] | None) -> list[ServedModel]:
        """The models of these names, or all models for None."""
        return [model for model in self if allowed is None or model.name in allowed]

    def load_now(self, model: ServedModel, progress: Progress) -> None:
        """See `LoadQueue.load_now`."""
        self._queue.load_now(model, progress)

    def start(self) -> None:
        """Start every loaded model on the running event loop, and load others from now on."""
        self._queue.start()

    async def probe(self) -> None:
        """Check every loaded model: return once each has generated a token, or raise."""
        await asyncio.gather(*(_probe(model) for model in self.loaded()))

    async def load(self, model: ServedModel) -> None:
        """Return once the model is loaded. A load that has failed is tried again at once. Raises `RequestError`."""
        with ModelUse(model) as use:
            await use.wait(at_once=True)

    async def unload(self, model: ServedModel) -> None:
        """Return once the model is unloaded. It takes no requests meanwhile, and running ones finish."""
        if model.loader is None:
            raise RequestError("invalid_value", f"The model `{model.name}` is always loaded.", param="model")
        await self._queue.drop(model)

    def replace(self, models: Sequence[ServedModel], limit: float, minimum_seconds: float) -> None:
        """Serve these models from now on, with these bounds (see `LoadQueue`). Identical objects continue unchanged."""
        before, self._models = self._models, {model.name: model for model in models}
        self._queue.set_bounds(limit, minimum_seconds)
        for model in models:
            if before.get(model.name) is not model:
                self._queue.admit(model)
        for model in before.values():
            successor = self._models.get(model.name)
            if successor is not model:
                self._queue.retire(model, successor)

    async def close(self) -> None:
        """Stop every model. Running requests end with an error."""
        await self._queue.close()


async def _probe(model: ServedModel) -> None:
    if model.loaded is not None:  # it may have been unloaded meanwhile
        with model.held() as backend:
            await backend.probe()
