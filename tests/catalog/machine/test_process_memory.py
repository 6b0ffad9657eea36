"""Loads that take more memory than computed: what the process really takes counts."""

import math
from typing import Any

from forefront.catalog.catalog import Build, Catalog, LoadedModel, ModelUse, ServedModel
from forefront.catalog.loading.load_queue import LoadQueue
from forefront.catalog.loading.loaded_model import LoadEstimate, Progress
from forefront.catalog.machine.process_memory import anonymous_memory
from tests.support.backends.instant import InstantBackend

_MIB = 2**20
_SIZE = 64 * _MIB


class LargeBackend(InstantBackend):
    """Holds `_SIZE` bytes of memory."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = bytearray(b"\1" * _SIZE)

    async def close(self) -> None:
        self.pages.clear()


class Loader:
    """Computes 1 MiB for a model that takes 64."""

    def __init__(self, kind: type[InstantBackend]) -> None:
        self._kind = kind

    def estimate(self) -> LoadEstimate:
        return LoadEstimate(_MIB)

    def load(self, _progress: Progress) -> LoadedModel:
        return LoadedModel(self._kind(), 0, "fp", Build("none", "none", "large"))


async def request(catalog: Catalog, name: str) -> None:
    with ModelUse(catalog.get(name)) as use:
        await use.wait()


async def test_the_measured_size_counts() -> None:
    models = [ServedModel(name, Loader(LargeBackend), keep=math.inf) for name in ("a", "b")]
    first, second = models
    catalog = Catalog(models, LoadQueue(100 * _MIB, 0.0, memory=anonymous_memory))
    catalog.start()
    try:
        await request(catalog, "a")
        assert first.held_bytes >= _SIZE // 2  # the allocator may have returned memory of others meanwhile
        assert first.describe().size == first.held_bytes
        await request(catalog, "b")
        assert second.held_bytes >= _SIZE // 2
        while first.state != "unloaded":  # both together do not fit
            await first.next_state()
        await request(catalog, "a")  # the size of a loaded model is known before it is loaded again
        assert first.memory_bytes >= _SIZE // 2
        assert second.state != "loaded"
    finally:
        await catalog.close()


async def test_growth_beside_another_model_is_not_counted() -> None:
    sizes = iter(range(0, 1000 * _MIB, 64 * _MIB))
    models = [ServedModel(name, Loader(InstantBackend), keep=math.inf) for name in ("a", "b")]
    catalog = Catalog(models, LoadQueue(math.inf, 0.0, memory=lambda: next(sizes)))
    catalog.start()
    try:
        await request(catalog, "a")
        assert models[0].held_bytes == 64 * _MIB
        with ModelUse(catalog.get("a")) as use:
            await use.wait()
            await request(catalog, "b")
        assert models[1].held_bytes == _MIB
    finally:
        await catalog.close()


def test_memory_of_this_process() -> None:
    before = anonymous_memory()
    pages: Any = bytearray(b"\1" * _SIZE)
    assert anonymous_memory() - before >= _SIZE // 2
    del pages
