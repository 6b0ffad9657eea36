"""The interface between the catalogue and the ways of loading a model."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from forefront.chat.backend import Backend


@dataclass(frozen=True, slots=True)
class Build:
    """The identity of a model: a hash of the weights, the precisions of computation, the engine's name and version."""

    weights: str
    quantization: str
    engine: str


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that answers. `created` is in seconds since 1970. `fingerprint`: see `fingerprint.py`. `memory_bytes`:
    the memory that it takes; None if it is that of the estimate. `capabilities`: what it reads beside text."""

    backend: Backend[Any]
    created: int
    fingerprint: str
    build: Build
    memory_bytes: int | None = None
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadEstimate:
    """The known facts of a model before it is loaded. `context_length` is None where only loading shows it."""

    memory_bytes: int
    created: int = 0
    context_length: int | None = None


class Progress(Protocol):
    """Receives the steps of a load."""

    def step(self, title: str) -> AbstractContextManager[object]:
        """The context in which the step is taken."""

    def download(self, title: str, size: int) -> AbstractContextManager[Callable[[int], None]]:
        """The context of a download of `size` bytes. Its value is called with the number of bytes so far."""


class ModelLoader(Protocol):
    """Loads one model, any number of times. Both methods block and run in a separate thread.

    They raise `SourceError`, whose text is for the operator.
    """

    def estimate(self) -> LoadEstimate:
        """The size of the model, from the metadata of its files: quick, and before memory is taken."""

    def load(self, progress: Progress) -> LoadedModel:
        """Load the model. Its backend is started and closed by the catalogue, on the event loop."""
