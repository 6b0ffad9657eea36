"""Models in llama.cpp for all tests of this folder: starting one takes half a second."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from forefront.managed_engines.llama_cpp.loading import LlamaCppOptions, load_llama_cpp
from forefront.managed_engines.model_header import read_model_header
from tests.managed_engines.answers import Model
from tests.support.models.llama_cpp_families import write_hybrid, write_mixture
from tests.support.models.random_model import write_random_gguf

_WRITERS = {"mixture": write_mixture, "hybrid": write_hybrid, "llama": write_random_gguf}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each kind."""
    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"{name}.gguf" for name in _WRITERS}
    for name, write in _WRITERS.items():
        write(paths[name])
    return paths


async def _started(name: str, path: Path) -> AsyncIterator[Model]:
    options = LlamaCppOptions(threads=1)
    backend = load_llama_cpp(name, read_model_header(path), options)
    backend.start()
    yield Model(backend)
    await backend.close()


@pytest.fixture(scope="session")
async def mixture(files: dict[str, Path]) -> AsyncIterator[Model]:
    """A mixture of experts."""
    async for model in _started("mixture", files["mixture"]):
        yield model


@pytest.fixture(scope="session")
async def hybrid(files: dict[str, Path]) -> AsyncIterator[Model]:
    """A model with a state that cannot be rolled back."""
    async for model in _started("hybrid", files["hybrid"]):
        yield model
