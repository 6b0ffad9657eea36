"""A model with a draft model, from files to answers."""

from dataclasses import replace
from pathlib import Path

import pytest

from forefront.catalog.loaders.local_loader import LocalLoader
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.model_settings import ModelSettings, find_conflict
from forefront.catalog.sources.source import BUILT_IN_PATH, ModelSource, SourceError
from forefront.chat.local.loading import ModelOptions
from forefront.chat.local.local_backend import LocalBackend
from forefront.cli.settings.errors import ConfigError
from forefront.cli.settings.model_list import list_models
from forefront.engine.request import GenerateRequest, SamplingParams
from tests.engine.engines import prompt
from tests.support.models.loaded import Silent

OPTIONS = ModelOptions(contexts=4)


def loader(path: Path, home: Path, draft: LocalLoader | None = None) -> LocalLoader:
    return LocalLoader(ModelSource(path.stem, path), ModelCache(home), OPTIONS, lambda source, _: source, draft=draft)


async def output(backend: LocalBackend) -> list[int]:
    backend.start()
    generation = backend._engine.submit(GenerateRequest(prompt(200, 3), 60, SamplingParams(temperature=0)))
    tokens = [token.token async for batch in generation for token in batch]
    await backend.close()
    return tokens


async def test_a_draft_model_is_loaded_with_its_model(tiny_gguf: Path, tmp_path: Path) -> None:
    draft = loader(tiny_gguf, tmp_path)
    alone, together = loader(tiny_gguf, tmp_path), loader(tiny_gguf, tmp_path, draft)
    assert together.estimate().memory_bytes == 2 * alone.estimate().memory_bytes
    first, second = alone.load(Silent()), together.load(Silent())
    assert first.fingerprint == second.fingerprint
    assert isinstance(first.backend, LocalBackend)
    assert isinstance(second.backend, LocalBackend)
    expected = await output(first.backend)
    assert await output(second.backend) == expected
    assert second.backend.stats().accepted_tokens > first.backend.stats().accepted_tokens
    assert second.memory_bytes == together.estimate().memory_bytes


def test_a_draft_model_of_other_tokens_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"tiny.gguf: its draft model has another vocabulary; both models need the same"
    ):
        loader(tiny_gguf, tmp_path, loader(BUILT_IN_PATH, tmp_path)).load(Silent())


def test_settings_of_a_draft_model(tiny_gguf: Path) -> None:
    tables = {"m": ModelSettings(source=str(tiny_gguf), draft="hf:o/r"), "n": ModelSettings(source=str(tiny_gguf))}
    first, second = list_models([], tables, replace(OPTIONS, draft="smollm2"))
    assert (first.options.draft, second.options.draft) == ("hf:o/r", "smollm2")
    with pytest.raises(ConfigError, match="m: a draft model needs speculation"):
        list_models([], tables, replace(OPTIONS, speculation="off"))
    for table in (ModelSettings(source=str(tiny_gguf), draft="smollm2"), ModelSettings(source=str(tiny_gguf))):
        with pytest.raises(ConfigError, match=r"m: a draft model cannot be combined with the engine llama.cpp"):
            list_models([], {"m": table}, replace(OPTIONS, draft="smollm2"), engine="llama.cpp")
    with pytest.raises(ConfigError, match=r"m: `speculation` cannot be combined with the engine llama.cpp"):
        list_models([], {"m": ModelSettings(source=str(tiny_gguf), speculation="off")}, OPTIONS, engine="llama.cpp")
    assert find_conflict(ModelSettings(upstream="http://h", draft="x")) == (
        "draft",
        "cannot be combined with `upstream`",
    )
    conflict = find_conflict(ModelSettings(source="x", engine="llama.cpp", speculation="off"))
    assert conflict == ("speculation", "cannot be combined with the engine llama.cpp")
