"""Files are loaded by the engine that runs them."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forefront.catalog.loaders.automatic_loader import AutomaticLoader
from forefront.catalog.loaders.llama_cpp_loader import LlamaCppLoader
from forefront.catalog.loaders.local_loader import LocalLoader
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.engine.model.model import ModelOptions
from forefront.managed_engines.engine_backend import EngineBackend
from tests.support.models.llama_cpp_families import write_mixture, write_projector


class Steps:
    """A `Progress` that keeps the titles of the steps."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.titles.append(title)
        yield

    def download(self, title: str, size: int) -> Any:
        raise AssertionError(f"{title} is downloaded")


def _loader(path: Path, home: Path, arguments: tuple[str, ...] = ()) -> AutomaticLoader:
    source, cache, options = ModelSource("model", path), ModelCache(home), ModelOptions(threads=1)
    local = LocalLoader(source, cache, options, lambda source, _: source)

    def llama_cpp(source: ModelSource) -> LlamaCppLoader:
        return LlamaCppLoader(source, cache, options, lambda source, _: source, None, None, arguments)

    return AutomaticLoader(local, llama_cpp)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixture") / "mixture.gguf"
    write_mixture(path)
    return path


def test_a_draft_model_does_not_go_with_llama_cpp(mixture: Path, tmp_path: Path) -> None:
    loader = _loader(mixture, tmp_path)
    drafting = replace(loader, local=replace(loader.local, draft=loader.local))
    with pytest.raises(SourceError, match=r"architecture qwen3moe, so llama.cpp serves it, without a draft model"):
        drafting.estimate()


async def test_a_mixture_goes_to_llama_cpp(mixture: Path, tmp_path: Path) -> None:
    loader, steps = _loader(mixture, tmp_path), Steps()
    estimate = loader.estimate()
    loaded = loader.load(steps)
    try:
        assert steps.titles == ["Reading model", "Starting llama.cpp with model"]
        assert loaded.build.engine.startswith("llama.cpp, xllamacpp ")
        assert loaded.build.weights.startswith("sha256:")
        assert estimate.context_length == loaded.backend.context_length == 1024
        assert loaded.memory_bytes is not None
        assert estimate.memory_bytes > 2**20
        assert estimate.memory_bytes <= loaded.memory_bytes < 4 * estimate.memory_bytes
    finally:
        await loaded.backend.close()
    other = _loader(mixture, tmp_path, ("--cache-type-k", "f32")).load(Steps())
    await other.backend.close()
    assert other.fingerprint != loaded.fingerprint


async def test_a_llama_stays_in_this_process(tiny_gguf: Path, tmp_path: Path) -> None:
    loaded = _loader(tiny_gguf, tmp_path).load(Steps())
    assert loaded.build.engine.startswith("forefront ")
    await loaded.backend.close()


async def test_a_projector_goes_to_llama_cpp(tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    projector = tmp_path / "projector.gguf"
    write_projector(projector)
    loader = _loader(tiny_gguf, tmp_path)
    source = replace(loader.local.source, projector=projector)
    loader = replace(loader, local=replace(loader.local, source=source))
    loaded = loader.load(Steps())
    assert loaded.build.engine.startswith("llama.cpp")
    assert isinstance(loaded.backend, EngineBackend)
    await loaded.backend.close()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else find(name))
    without = loader.load(Steps())
    assert without.build.engine.startswith("forefront ")
    await without.backend.close()


def test_the_missing_package_gives_a_short_error(
    mixture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else find(name))
    with pytest.raises(SourceError) as raised:
        _loader(mixture, tmp_path).load(Steps())
    text = "llama.cpp is not installed: pip install 'forefront[llamacpp]'"
    assert str(raised.value) == f"{mixture}: the file has the architecture qwen3moe, which needs llama.cpp; {text}"


def test_directories_are_refused(tmp_path: Path) -> None:
    loader = _loader(tmp_path, tmp_path).llama_cpp(ModelSource("model", tmp_path))
    with pytest.raises(SourceError, match=r"llama\.cpp loads GGUF files only"):
        loader.load(Steps())
    with pytest.raises(SourceError):
        loader.estimate()
