"""Models that are loaded when they are needed, with loaders that take a moment and count what they hold."""

import asyncio
import math
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from forefront.catalog.catalog import Build, Catalog, LoadedModel, ModelUse, ServedModel
from forefront.catalog.loading import eviction as room
from forefront.catalog.loading import load_queue
from forefront.catalog.loading.load_queue import LoadQueue
from forefront.catalog.loading.loaded_model import LoadEstimate, Progress
from forefront.catalog.sources.source import SourceError
from forefront.wire.errors import RequestError
from tests.support.backends.instant import InstantBackend


class Memory:
    """The bytes that all backends hold, and the most that they ever held."""

    def __init__(self) -> None:
        self.held = self.peak = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self.held += size
            self.peak = max(self.peak, self.held)


class CountedBackend(InstantBackend):
    """Gives its bytes back when it is closed, which must not happen while it is used."""

    def __init__(self, memory: Memory, size: int) -> None:
        super().__init__()
        self.users, self.closed = 0, False
        self._memory, self._size = memory, size

    async def close(self) -> None:
        assert not self.users
        assert not self.closed
        self.closed = True
        await asyncio.sleep(0)
        self._memory.add(-self._size)


class Loader:
    """Loads a model of `size` bytes in `seconds`. Fails while there is a `failure`; waits for `gate`."""

    def __init__(self, memory: Memory, size: int, seconds: float = 0.0) -> None:
        self.memory, self.size, self.seconds = memory, size, seconds
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.loads = 0

    def estimate(self) -> LoadEstimate:
        return LoadEstimate(self.size)

    def load(self, progress: Progress) -> LoadedModel:
        self.loads += 1
        with progress.step("Loading"):
            self.gate.wait(60)
            time.sleep(self.seconds)
            if self.failure is not None:
                raise self.failure
        self.memory.add(self.size)
        backend = CountedBackend(self.memory, self.size)
        return LoadedModel(backend, 0, "fp", Build("none", "none", "counted"))


class Models:
    """A catalogue of models by name, each with its loader."""

    def __init__(self, sizes: dict[str, int], limit: float, minimum: float, keep: dict[str, float | None]) -> None:
        self.memory = Memory()
        self.loaders = {name: Loader(self.memory, size) for name, size in sizes.items()}
        models = [ServedModel(name, one, keep=keep.get(name, math.inf)) for name, one in self.loaders.items()]
        self.queue = LoadQueue(limit, minimum)
        self.catalog = Catalog(models, self.queue)

    async def request(self, name: str, seconds: float = 0.0, end: asyncio.Event | None = None) -> None:
        """Use a model for so long, and until `end`."""
        with ModelUse(self.catalog.get(name)) as use:
            await use.wait()
            backend: Any = use.backend
            assert not backend.closed
            backend.users += 1
            try:
                await asyncio.sleep(seconds)
                if end is not None:
                    await end.wait()
            finally:
                backend.users -= 1

    def states(self) -> dict[str, str]:
        return {model.name: model.state for model in self.catalog}


@asynccontextmanager
async def serving(
    sizes: dict[str, int], limit: float = 10, minimum: float = 0.0, keep: dict[str, float | None] | None = None
) -> AsyncIterator[Models]:
    models = Models(sizes, limit, minimum, keep or {})
    models.catalog.start()
    try:
        yield models
    finally:
        await models.catalog.close()
        assert models.memory.held == 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def failure_of(request: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await request
    return caught.value


async def test_a_request_loads_its_model_and_the_next_one_finds_it_loaded() -> None:
    async with serving({"a": 4, "b": 4}) as models:
        assert models.states() == {"a": "unloaded", "b": "unloaded"}
        await asyncio.gather(*(models.request("a") for _ in range(5)))
        await models.request("a")
        assert models.states() == {"a": "loaded", "b": "unloaded"}
        assert models.loaders["a"].loads == 1


async def test_the_least_recently_used_model_makes_room() -> None:
    async with serving({"a": 4, "b": 4, "c": 4}) as models:
        for name in ("a", "b", "a", "c"):
            await models.request(name)
        assert models.states() == {"a": "loaded", "b": "unloaded", "c": "loaded"}
        assert models.memory.peak <= 10


async def test_a_pinned_model_stays_and_models_too_large_beside_it_fail() -> None:
    async with serving({"kept": 6, "small": 4, "big": 5}, keep={"kept": None}) as models:
        await models.request("kept")
        await models.request("small")
        error = await failure_of(models.request("big"))
        assert error.code == "model_unavailable"
        failure = models.catalog.get("big").failure
        assert failure is not None
        assert "loading.memory_gib" in failure.reason
        assert models.states() == {"kept": "loaded", "small": "loaded", "big": "failed"}


async def test_a_running_model_is_not_unloaded_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    async with serving({"a": 6, "b": 6}) as models:
        end = asyncio.Event()
        running = asyncio.create_task(models.request("a", end=end))
        await until(lambda: models.states()["a"] == "loaded")
        other = asyncio.create_task(models.request("b"))
        await until(lambda: models.catalog.get("a").draining)
        # Later requests of the model wait after the other, which would never get its turn otherwise.
        later = asyncio.create_task(models.request("a"))
        await asyncio.sleep(0.05)
        assert models.loaders["b"].loads == 0
        end.set()
        await asyncio.gather(running, other, later)
        assert (models.loaders["a"].loads, models.loaders["b"].loads) == (2, 1)
        assert models.memory.peak <= 10


async def test_requests_continue_when_the_load_that_needed_room_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.02)
    async with serving({"a": 6, "b": 6}) as models:
        running = asyncio.create_task(models.request("a", end=asyncio.Event()))
        await until(lambda: models.states()["a"] == "loaded")
        other = asyncio.create_task(models.request("b"))
        await until(lambda: models.catalog.get("a").draining)
        later = asyncio.create_task(models.request("a"))
        await asyncio.sleep(0.02)
        other.cancel()
        await later
        running.cancel()
        await asyncio.wait({running})
        assert models.states() == {"a": "loaded", "b": "unloaded"}
        assert models.loaders["a"].loads == 1


async def test_models_are_not_loaded_in_circles() -> None:
    async with serving({"a": 6, "b": 6}, minimum=0.2) as models:
        begin = time.monotonic()

        async def requests(name: str) -> None:
            await models.request(name)
            while time.monotonic() < begin + 1.0:
                await models.request(name)

        await asyncio.gather(*(requests(name) for name in "ab" for _ in range(3)))
        loads = sum(loader.loads for loader in models.loaders.values())
        assert 2 <= loads <= (time.monotonic() - begin) / 0.2 + 2


async def test_a_failed_load_is_one_error_for_each_waiter() -> None:
    async with serving({"a": 4}) as models:
        loader = models.loaders["a"]
        loader.gate.clear()
        loader.failure = SourceError("/srv/a.gguf: the file ends early")
        requests = [asyncio.create_task(models.request("a")) for _ in range(20)]
        await until(lambda: len(models.catalog.get("a").waiting) == 20)
        loader.gate.set()
        errors = [await failure_of(request) for request in requests]
        assert loader.loads == 1
        assert {(error.code, error.message) for error in errors} == {(errors[0].code, errors[0].message)}
        assert len(set(map(id, errors))) == 20
        assert "/srv" not in errors[0].message
        # Until the pause is over, others get the error without an attempt.
        again = await failure_of(models.request("a"))
        assert loader.loads == 1
        assert 0 < (again.retry_after or 0) <= 5
        assert models.states() == {"a": "failed"}
        loader.failure = None
        await models.catalog.load(models.catalog.get("a"))
        assert models.states() == {"a": "loaded"}


async def test_the_pause_after_failures_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving({"a": 4}) as models:
        model, loader = models.catalog.get("a"), models.loaders["a"]
        loader.failure = SourceError("no")
        pauses = []
        for _ in range(9):
            monkeypatch.setattr(models.queue, "_clock", lambda: 0.0)
            await failure_of(models.catalog.load(model))
            assert model.failure is not None
            pauses.append(model.failure.retry_at)
        assert pauses[:4] == [5, 10, 20, 40]
        assert pauses[-1] == 300


async def test_an_unexpected_error_of_a_loader_is_a_failed_load() -> None:
    async with serving({"a": 4, "b": 4}) as models:
        models.loaders["a"].failure = ZeroDivisionError()
        assert (await failure_of(models.request("a"))).code == "model_unavailable"
        await models.request("b")


async def test_a_load_without_waiting_requests_completes() -> None:
    async with serving({"a": 4}) as models:
        models.loaders["a"].gate.clear()
        request = asyncio.create_task(models.request("a"))
        await until(lambda: models.loaders["a"].loads == 1)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        models.loaders["a"].gate.set()
        await until(lambda: models.states()["a"] == "loaded")
        assert models.catalog.get("a").running == 0


async def test_an_idle_model_is_unloaded_after_its_time() -> None:
    async with serving({"a": 4, "b": 4, "c": 4}, 20, keep={"a": 0.1, "b": 0.0}) as models:
        await models.request("b")
        await models.request("c")
        end = asyncio.Event()
        running = asyncio.create_task(models.request("a", end=end))
        await until(lambda: models.states()["b"] == "unloaded")
        await until(lambda: models.states()["a"] == "loaded")
        await asyncio.sleep(0.15)
        assert models.states()["a"] == "loaded"
        end.set()
        await running
        await until(lambda: models.states()["a"] == "unloaded")
        assert models.states()["c"] == "loaded"


async def test_unloading_waits_for_running_requests() -> None:
    async with serving({"a": 4}) as models:
        model = models.catalog.get("a")
        await models.catalog.unload(model)
        end = asyncio.Event()
        running = asyncio.create_task(models.request("a", end=end))
        await until(lambda: model.state == "loaded")
        first, second = (asyncio.create_task(models.catalog.unload(model)) for _ in range(2))
        await asyncio.sleep(0.02)
        assert (model.state, first.done()) == ("loaded", False)
        later = asyncio.create_task(models.request("a"))
        end.set()
        await asyncio.gather(running, first, second)
        await later
        assert models.loaders["a"].loads == 2


async def test_unloading_while_loading_serves_the_waiting_requests() -> None:
    async with serving({"a": 4}) as models:
        models.loaders["a"].gate.clear()
        request = asyncio.create_task(models.request("a", 0.02))
        await until(lambda: models.loaders["a"].loads == 1)
        unloading = asyncio.create_task(models.catalog.unload(models.catalog.get("a")))
        await asyncio.sleep(0.01)
        models.loaders["a"].gate.set()
        await request
        await unloading
        assert models.states() == {"a": "unloaded"}


async def test_a_model_that_is_always_loaded_cannot_be_unloaded() -> None:
    loaded = LoadedModel(InstantBackend(), 0, "fp", Build("none", "none", "instant"))
    model = ServedModel.permanent("remote", loaded)
    catalog = Catalog([model], LoadQueue(10))
    catalog.start()
    await catalog.load(model)
    assert (await failure_of(catalog.unload(model))).code == "invalid_value"
    assert (model.state, model.memory_bytes) == ("loaded", 0)
    await catalog.close()


async def test_a_slow_load_does_not_hold_up_another_model() -> None:
    async with serving({"slow": 4, "quick": 4}) as models:
        models.loaders["slow"].gate.clear()
        slow = asyncio.create_task(models.request("slow"))
        await until(lambda: models.loaders["slow"].loads == 1)
        await models.request("quick")
        assert not slow.done()
        models.loaders["slow"].gate.set()
        await slow


async def test_a_shutdown_ends_waiting_requests() -> None:
    models = Models({"a": 4, "b": 8}, 10, 0.0, {})
    models.catalog.start()
    models.loaders["a"].gate.clear()
    waiting = [asyncio.create_task(models.request(name)) for name in "ab"]
    await until(lambda: models.loaders["a"].loads == 1)
    closing = asyncio.create_task(models.catalog.close())
    errors = [await failure_of(request) for request in waiting]
    assert {error.code for error in errors} == {"shutting_down"}
    models.loaders["a"].gate.set()
    await closing
    assert models.memory.held == 0


async def test_a_hanging_load_does_not_delay_the_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_queue, "_CLOSE_SECONDS", 0.1)
    models = Models({"a": 4}, 10, 0.0, {})
    models.catalog.start()
    models.loaders["a"].gate.clear()
    waiting = asyncio.create_task(models.request("a"))
    await until(lambda: models.loaders["a"].loads == 1)
    await models.catalog.close()
    assert (await failure_of(waiting)).code == "shutting_down"
    models.loaders["a"].gate.set()
    await until(lambda: models.memory.held == 0)


async def test_a_removed_model_is_unloaded_after_its_requests() -> None:
    async with serving({"a": 4, "b": 4}) as models:
        old, kept = models.catalog.get("a"), models.catalog.get("b")
        end = asyncio.Event()
        running = asyncio.create_task(models.request("a", end=end))
        await until(lambda: old.state == "loaded")
        models.catalog.replace([kept], 10, 0.0)
        assert (await failure_of(models.request("a"))).code == "model_not_found"
        assert old.state == "loaded"
        end.set()
        await running
        await until(lambda: old not in models.queue.models)
        assert models.memory.held == 0


async def test_waiters_for_a_changed_model_get_the_new_one() -> None:
    async with serving({"a": 4, "b": 10}) as models:
        end = asyncio.Event()
        first = asyncio.create_task(models.request("b", end=end))
        await until(lambda: models.states()["b"] == "loaded")
        waiting = asyncio.create_task(models.request("a"))
        await asyncio.sleep(0.02)
        loader = Loader(models.memory, 4)
        changed = ServedModel("a", loader)
        models.catalog.replace([changed, models.catalog.get("b")], 20, 0.0)
        end.set()
        await asyncio.gather(first, waiting)
        assert (loader.loads, models.loaders["a"].loads) == (1, 0)
        end.clear()
        removed = asyncio.create_task(models.request("a", end=end))
        await until(lambda: changed.running == 1)
        again = ServedModel("a", Loader(models.memory, 4))
        again.required = True
        models.catalog.replace([again], 20, 0.0)
        await until(lambda: again.state == "loaded")
        end.set()
        await removed


async def test_a_removed_model_without_files_is_forgotten() -> None:
    async with serving({"a": 4, "b": 4}) as models:
        gate, old = threading.Event(), models.catalog.get("a")

        def estimate() -> LoadEstimate:
            gate.wait(60)
            raise SourceError("it is gone")

        models.loaders["a"].estimate = estimate  # type: ignore[method-assign]
        waiting = asyncio.create_task(models.request("a"))
        await until(lambda: old.state == "loading")
        await asyncio.sleep(0.01)
        models.catalog.replace([models.catalog.get("b")], 10, 0.0)
        gate.set()
        assert (await failure_of(waiting)).code == "model_not_found"
        await models.request("b")
        assert old not in models.queue.models


@pytest.mark.parametrize("seed", range(4))
async def test_memory_is_bounded_and_every_request_is_served(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.01)
    chance = random.Random(seed)
    sizes = {f"m{number}": chance.randrange(1, 7) for number in range(6)}
    async with serving(sizes, minimum=0.005, keep={"m0": 0.01, "m1": None}) as models:
        served: Counter[str] = Counter()

        async def request(name: str) -> None:
            await asyncio.sleep(chance.uniform(0, 0.5))
            work = asyncio.create_task(models.request(name, chance.choice([0.0, 0.0, 0.002, 0.02])))
            if chance.random() < 0.1:
                await asyncio.sleep(chance.uniform(0, 0.05))
                work.cancel()
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()
                served[name] += 1

        names = [name for name in sizes if sizes[name] + sizes["m1"] <= 10]
        async with asyncio.timeout(90):
            await asyncio.gather(*(request(chance.choice(names)) for _ in range(150)))
        assert models.memory.peak <= 10
        assert served.total() >= 100
        assert all(not model.running and not model.waiting for model in models.catalog)
