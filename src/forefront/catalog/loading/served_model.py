"""A model of the catalogue, loaded or not."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from forefront.catalog.loading.load_progress import LoadProgress
from forefront.catalog.loading.loaded_model import LoadedModel, LoadEstimate, ModelLoader
from forefront.chat.backend import Backend
from forefront.wire.errors import RequestError
from forefront.wire.models import Model, ModelState

# Seconds before a failed load is tried again: the first pause, which doubles, and the longest.
_FIRST_PAUSE: Final = 5.0
_MAX_PAUSE: Final = 300.0


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """Why the last load failed, how many have failed in a row, and when the next is due."""

    reason: str
    count: int
    retry_at: float

    def error(self, name: str, now: float) -> RequestError:
        """The error of a request that needs the model, without the reason, which may name files."""
        text = f"The model `{name}` could not be loaded; the server's log has the reason."
        return RequestError("model_unavailable", text, param="model", retry_after=max(self.retry_at - now, 1.0))


class LoadRequests(Protocol):
    """The interface of the queue of loads to its models."""

    closed: bool

    def now(self) -> float:
        """The time in seconds."""

    def request(self, model: "ServedModel") -> None:
        """Load the model in its turn."""

    def idle(self, model: "ServedModel") -> None:
        """The model has no running request any more."""

    def changed(self) -> None:
        """Memory may have become free, or a model has stopped waiting."""


class LoadWaiter(Protocol):
    """A request that waits for a model."""

    def begin(self) -> None:
        """The model is loaded and runs the request."""


class ServedModel:
    """A model of the catalogue. `keep`: idle seconds after which it is unloaded; None: it stays loaded.

    `fallback` names the models that answer while this one fails.

    `state` is for the API. `held_bytes` is the memory that counts as taken; `memory_bytes` is the size of the loaded
    model, known before from the estimate. `draining`: another model needs the memory, so requests wait. `leaving`: an
    administrator or a new configuration ends it.
    """

    def __init__(
        self,
        name: str,
        loader: ModelLoader | None = None,
        *,
        keep: float | None = math.inf,
        fallback: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.fallback = tuple(fallback)
        self.loader = loader
        self.keep = keep
        self.state: ModelState = "unloaded"
        self.loaded: LoadedModel | None = None
        self.estimate = LoadEstimate(0)
        self.memory_bytes = self.held_bytes = 0
        self.measured_bytes = 0  # by which the last load let the process grow, where that is known
        self.running = 0
        self.used_at = self.settled_at = 0.0
        self.load_seconds: float | None = None
        self.draining = self.leaving = self.retired = self.required = False
        self.successor: ServedModel | None = None
        self.progress: LoadProgress | None = None
        self.failure: LoadFailure | None = None
        self.waiting: dict[LoadWaiter, asyncio.Future[None]] = {}
        self.queue: LoadRequests | None = None
        self._watchers: list[asyncio.Future[ModelState]] = []

    @classmethod
    def permanent(cls, name: str, loaded: LoadedModel, fallback: Sequence[str] = ()) -> "ServedModel":
        """A model that is always loaded, such as an upstream."""
        model = cls(name, keep=None, fallback=fallback)
        model.attach(loaded)
        return model

    @property
    def backend(self) -> Backend[Any]:
        """The backend of a loaded model."""
        if self.loaded is None:
            raise RuntimeError(f"the model {self.name} is not loaded")
        return self.loaded.backend

    @property
    def pinned(self) -> bool:
        """Whether it stays loaded."""
        return self.keep is None

    @property
    def wanted(self) -> bool:
        """Whether a request or the configuration needs it loaded."""
        return self.required or bool(self.waiting)

    @property
    def takes_requests(self) -> bool:
        """Whether a request can run now."""
        return self.loaded is not None and not self.draining and not self.leaving

    def describe(self) -> Model:
        """The model as `GET /v1/models` shows it."""
        loaded, estimate = self.loaded, self.estimate
        context = estimate.context_length if loaded is None else loaded.backend.context_length
        return Model(
            id=self.name,
            created=estimate.created if loaded is None else loaded.created,
            owned_by="forefront",
            context_length=context,
            max_model_len=context,
            root=self.name,
            state=self.state,
            size=self.memory_bytes,
            capabilities=() if loaded is None else loaded.capabilities,
        )

    def attach(self, loaded: LoadedModel) -> None:
        """The model is loaded."""
        self.loaded, self.failure = loaded, None
        stated = self.estimate.memory_bytes if loaded.memory_bytes is None else loaded.memory_bytes
        self.memory_bytes = max(stated, self.measured_bytes)
        self.held_bytes = self.memory_bytes
        self.required = False
        self.enter("loaded")

    def detach(self) -> LoadedModel:
        """The model is being unloaded. Returns the loaded model, which has to be closed."""
        loaded = self.loaded
        assert loaded is not None
        assert not self.running
        self.loaded, self.draining = None, False
        self.enter("unloading")
        return loaded

    def fail(self, reason: str) -> None:
        """The load has failed: one error for each that waits."""
        assert self.queue is not None
        now, count = self.queue.now(), 1 if self.failure is None else self.failure.count + 1
        pause = min(_FIRST_PAUSE * 2.0 ** (count - 1), _MAX_PAUSE)
        self.failure = LoadFailure(reason, count, now + pause)
        self.held_bytes, self.required = 0, False
        self.enter("failed")
        failure = self.failure
        self.refuse(lambda: failure.error(self.name, now))

    def enter(self, state: ModelState) -> None:
        """Change the state."""
        self.state = state
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(state)

    async def next_state(self) -> ModelState:
        """The state after the next change."""
        watcher: asyncio.Future[ModelState] = asyncio.get_running_loop().create_future()
        self._watchers.append(watcher)
        return await watcher

    @contextmanager
    def held(self) -> Iterator[Backend[Any]]:
        """The backend of a loaded model, which stays loaded meanwhile. It counts as no use."""
        self.running += 1
        try:
            yield self.backend
        finally:
            self._release()

    def grant(self) -> None:
        """Let the waiting requests run."""
        for use, future in self._take_waiting():
            use.begin()
            future.set_result(None)

    def refuse(self, make_error: Callable[[], RequestError]) -> None:
        """End the waiting requests with a separate error each."""
        for _, future in self._take_waiting():
            future.set_exception(make_error())

    def forward(self) -> None:
        """Let the waiting requests of a retired model go to its successor."""
        for _, future in self._take_waiting():
            future.set_result(None)

    def _take_waiting(self) -> list[tuple[LoadWaiter, asyncio.Future[None]]]:
        taken, self.waiting = self.waiting, {}
        return [(use, future) for use, future in taken.items() if not future.done()]

    def end_use(self) -> None:
        """A request has ended."""
        if self.queue is not None:
            self.used_at = self.queue.now()
        self._release()

    def _release(self) -> None:
        self.running -= 1
        if not self.running and self.queue is not None:
            self.queue.idle(self)
