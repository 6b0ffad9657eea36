"""The fingerprint and the build of a served model change with everything that may change its outputs."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from forefront.catalog.catalog import LoadedModel
from forefront.catalog.loaders import local_loader as loading
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.engine.model.model import ModelOptions
from tests.support.models.loaded import Silent
from tests.support.models.random_model import CHATML, write_random_gguf

OPTIONS = ModelOptions(contexts=1)


def served(path: Path, home: Path, options: ModelOptions = OPTIONS, template: str | None = None) -> LoadedModel:
    return loading.load(ModelSource("m", path), ModelCache(home), options, Silent(), template)


def swap_weights(path: Path) -> None:
    """The same number of other bytes."""
    size = path.stat().st_size
    data = bytearray(path.read_bytes())
    data[-64:] = bytes(byte ^ 1 for byte in data[-64:])
    path.write_bytes(data)
    assert path.stat().st_size == size


@pytest.fixture
def directory(tiny_directory: Path, tmp_path: Path) -> Path:
    """A copy of the model in OpenVINO's IR form."""
    return Path(shutil.copytree(tiny_directory, tmp_path / "ir"))


def test_weights_of_the_same_size_in_a_directory(directory: Path, tmp_path: Path) -> None:
    before = served(directory, tmp_path)
    assert served(directory, tmp_path).fingerprint == before.fingerprint
    swap_weights(directory / "openvino_model.bin")
    after = served(directory, tmp_path)
    assert after.fingerprint != before.fingerprint
    assert after.build.weights != before.build.weights


def test_weights_of_the_same_size_in_a_gguf_file(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    found = set()
    for seed in (0, 1):
        write_random_gguf(path, seed=seed)
        size = path.stat().st_size
        found.add((size, served(path, tmp_path).fingerprint))
    assert len(found) == 2
    assert len({size for size, _ in found}) == 1


@pytest.mark.parametrize("name", ["generation_config.json", "openvino_tokenizer.bin"])
def test_the_other_files_of_a_directory(directory: Path, tmp_path: Path, name: str) -> None:
    before = served(directory, tmp_path)
    if name.endswith(".json"):
        (directory / name).write_text('{"eos_token_id": [2, 0]}')
    else:
        data = (directory / name).read_bytes()
        (directory / name).write_bytes(data + b"\0")
    after = served(directory, tmp_path)
    assert after.fingerprint != before.fingerprint
    assert after.build == before.build


@pytest.mark.parametrize(
    "options",
    [replace(OPTIONS, kv_precision="u8"), replace(OPTIONS, quantize_activations=False), replace(OPTIONS, threads=1)],
    ids=str,
)
def test_the_options_of_computation(tiny_gguf: Path, tmp_path: Path, options: ModelOptions) -> None:
    before = served(tiny_gguf, tmp_path)
    assert served(tiny_gguf, tmp_path, replace(OPTIONS, contexts=2)).fingerprint == before.fingerprint
    assert served(tiny_gguf, tmp_path, options).fingerprint != before.fingerprint


def test_the_chat_template_and_the_version_of_openvino(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served(tiny_gguf, tmp_path)
    assert served(tiny_gguf, tmp_path, template=CHATML + " ").fingerprint != before.fingerprint
    monkeypatch.setattr(loading, "version", lambda name: f"{name} of tomorrow")
    after = served(tiny_gguf, tmp_path)
    assert after.fingerprint != before.fingerprint
    assert "of tomorrow" in after.build.engine


def test_a_file_is_read_once(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later starts know its digest by path, size and time of change."""
    read: list[str] = []
    whole = hashlib.file_digest

    def counted(file, kind):  # type: ignore[no-untyped-def]
        read.append(Path(file.name).name)
        return whole(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    served(directory, tmp_path)
    assert read.count("openvino_model.bin") == 1
    read.clear()
    served(directory, tmp_path)
    assert read == []


def test_a_file_that_cannot_be_read_is_named(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: ModelCache, paths: object) -> str:
        raise PermissionError(13, "Permission denied", str(directory / "config.json"))

    monkeypatch.setattr(ModelCache, "digest", refuse)
    with pytest.raises(SourceError, match=r"config\.json: it cannot be read: Permission denied"):
        served(directory, tmp_path)
