"""The models that are being served, by name."""

import asyncio
import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from forefront.chat.backend import Backend
from forefront.wire.errors import ApiError
from forefront.wire.response import Model


@dataclass(frozen=True, slots=True)
class Build:
    """The identity of a model: a hash of the weights, the precisions of computation, the engine's name and version."""

    weights: str
    quantization: str
    engine: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that answers. `created` is in seconds since 1970. `fingerprint`: see `fingerprint.py`."""

    name: str
    backend: Backend[Any]
    created: int
    fingerprint: str
    build: Build

    def describe(self) -> Model:
        """The model as `GET /v1/models` shows it."""
        context = self.backend.context_length
        return Model(
            id=self.name,
            created=self.created,
            owned_by="forefront",
            context_length=context,
            max_model_len=context,
            root=self.name,
        )


class Catalog:
    """Every model of the server, in the order in which they were named; the first is the default of the clients."""

    def __init__(self, models: list[ServedModel]) -> None:
        self._models = {model.name: model for model in models}

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def get(self, name: str, allowed: Collection[str] | None = None) -> ServedModel:
        """The model of that name. Raises `ApiError` `model_not_found` (404), which names those that are `allowed`."""
        model = self._models.get(name)
        if model is None:
            known = [model.name for model in self.visible(allowed)]
            near = difflib.get_close_matches(name[:128], known, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            served = ", ".join(f"`{model}`" for model in known) or "none"
            text = f"There is no model `{name[:128]}` here.{hint} Served: {served}."
            raise ApiError("model_not_found", text, param="model")
        return model

    def visible(self, allowed: Collection[str] | None) -> list[ServedModel]:
        """The models of these names; all of them for None."""
        return [model for model in self if allowed is None or model.name in allowed]

    def start(self) -> None:
        """Start every model on the running event loop."""
        for model in self._models.values():
            model.backend.start()

    async def probe(self) -> None:
        """Return once every model has generated a token, or raise."""
        await asyncio.gather(*(model.backend.probe() for model in self._models.values()))

    async def close(self) -> None:
        """Stop every model; what still runs ends with an error."""
        await asyncio.gather(*(model.backend.close() for model in self._models.values()))
