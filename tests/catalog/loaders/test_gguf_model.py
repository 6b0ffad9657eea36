"""A GGUF file becomes a model: its weights are packed once, and a broken file is one clear error."""

import errno
import hashlib
import json
import os
import random
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.model_cache import DIGEST_LENGTH, ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.chat.local.loading import ModelParts
from forefront.graph.build import PACKING, build_graph
from tests.support.models.random_model import write_random_gguf

# Places of an array that no weight file has.
_OFFSETS: dict[str, Any] = {"outside": 2**50, "negative": -64, "text": "0"}


def opened(path: Path, home: Path, *, exact: bool = False) -> GgufModel:
    return GgufModel(ModelSource(path.stem, path), ModelCache(home), exact=exact)


def folders(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "models").iterdir())


def test_a_file_is_packed_once_and_found_by_its_content(tiny_gguf: Path, tmp_path: Path) -> None:
    model = opened(tiny_gguf, tmp_path)
    assert not model.is_prepared
    parts, precision = model.load()
    assert (parts.facts.context_length, parts.tokenizer.end_tokens) == (2048, frozenset([2]))
    assert precision == "weights as stored"
    before = folders(tmp_path)
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(tiny_gguf.read_bytes())
    again = opened(copy, tmp_path)
    assert again.is_prepared
    again.load()
    assert folders(tmp_path) == before


def test_the_digest_of_a_new_file_is_computed_while_its_weights_are_packed(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash of the file ends only when the weights are packed: nothing before has waited for it."""
    packed = threading.Event()
    compute = ModelCache.digest

    def digest(cache: ModelCache, paths: Sequence[Path]) -> str:
        assert packed.wait(60)
        return compute(cache, paths)

    def built(*arguments: Any, **options: Any) -> Any:
        graph = build_graph(*arguments, **options)
        packed.set()
        return graph

    monkeypatch.setattr(ModelCache, "digest", digest)
    monkeypatch.setattr("forefront.catalog.loaders.prepared_model.build_graph", built)
    model = opened(tiny_gguf, tmp_path)
    model.load()
    assert model.digest == hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()
    assert model.is_prepared
    [folder] = folders(tmp_path)
    assert folder.startswith(model.digest[:DIGEST_LENGTH])


def test_a_file_deleted_during_hashing_is_one_error(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    shutil.copy(tiny_gguf, path)
    model = opened(path, tmp_path / "home")

    def digest(_cache: ModelCache, _paths: Sequence[Path]) -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(ModelCache, "digest", digest)
    with pytest.raises(SourceError, match=r"model\.gguf: it cannot be read: No such file"):
        model.load()
    assert folders(tmp_path / "home") == []


def test_a_file_that_changes_while_it_is_packed_is_one_error(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size and its time of change are as before: neither the weights nor the digest may be kept."""
    path = tmp_path / "model.gguf"
    shutil.copy(tiny_gguf, path)
    content = path.read_bytes()
    changed = content[:-64] + bytes(byte ^ 1 for byte in content[-64:])

    def built(*arguments: Any, **options: Any) -> Any:
        graph = build_graph(*arguments, **options)
        assert model.digest == hashlib.sha256(content).hexdigest()
        times = path.stat()
        with path.open("r+b") as file:
            file.write(changed)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return graph

    model = opened(path, tmp_path / "home")
    with monkeypatch.context() as patched:
        patched.setattr("forefront.catalog.loaders.prepared_model.build_graph", built)
        with pytest.raises(SourceError, match=r"model\.gguf: it has changed while it was read$"):
            model.load()
    assert folders(tmp_path / "home") == []
    again = opened(path, tmp_path / "home")
    again.load()
    assert again.digest == hashlib.sha256(changed).hexdigest()


def test_the_digest_of_a_changing_file_is_not_cached(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = tmp_path / "model.gguf", ModelCache(tmp_path / "home")
    shutil.copy(tiny_gguf, path)
    compute = hashlib.file_digest

    def digest(file: Any, name: str) -> Any:
        result, times = compute(file, name), path.stat()
        path.write_bytes(bytes(times.st_size))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return result

    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", digest)
        cache.digest([path])
    assert cache.digest([path]) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_loads_that_pack_the_same_file_at_once(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = threading.Barrier(2)

    def built(*arguments: Any, **options: Any) -> Any:
        graph = build_graph(*arguments, **options)
        packed.wait(60)
        return graph

    monkeypatch.setattr("forefront.catalog.loaders.prepared_model.build_graph", built)
    with ThreadPoolExecutor(2) as threads:
        loads = [threads.submit(opened(tiny_gguf, tmp_path).load) for _ in range(2)]
        assert [load.result()[1] for load in loads] == ["weights as stored"] * 2
    assert len(folders(tmp_path)) == 1
    assert opened(tiny_gguf, tmp_path).is_prepared


def test_weights_packed_by_another_version_are_not_used(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tiny_gguf, tmp_path).load()
    monkeypatch.setattr("forefront.catalog.loaders.prepared_model.PACKING", PACKING + 1)
    assert not opened(tiny_gguf, tmp_path).is_prepared


def test_a_damaged_weight_file_is_rewritten(tiny_gguf: Path, tmp_path: Path) -> None:
    opened(tiny_gguf, tmp_path).load()
    [weights] = (tmp_path / "models").glob("*/weights.bin")
    with weights.open("r+b") as file:
        file.truncate(1000)
    model = opened(tiny_gguf, tmp_path)
    assert not model.is_prepared
    model.load()
    assert opened(tiny_gguf, tmp_path).is_prepared


@pytest.mark.parametrize("change", ["joins", "shape", "layout", "form", "outside", "negative", "text"])
def test_weights_that_another_version_packed_under_the_same_name_are_packed_again(
    change: str, tiny_gguf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(tiny_gguf, tmp_path).load()
    [path] = (tmp_path / "models").glob("*/weights.json")
    packed = path.read_bytes()
    index = json.loads(packed)
    name = next(name for name in index["matrices"] if "+" in name)
    entry = index["matrices"][name]
    if change == "joins":
        del index["matrices"][name]
        index["matrices"] |= dict.fromkeys(name.split("+"), entry)
    elif change == "shape":
        for array in filter(None, entry["arrays"]):
            array[2][0] -= 1
    elif change == "layout":
        entry["layout"]["group"] *= 2
    elif change in _OFFSETS:
        entry["arrays"][1][0] = _OFFSETS[change]
    else:
        index["matrices"] = list(index["matrices"].items())
    path.write_text(json.dumps(index))
    opened(tiny_gguf, tmp_path).load()
    assert path.read_bytes() == packed
    [line] = caplog.messages
    assert line == f"{tiny_gguf}: its packed weights are from another version of the program; they are packed again"


def test_the_model_file_itself_is_left_alone(tiny_gguf: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in tiny_gguf.parent.iterdir())
    opened(tiny_gguf, tmp_path).load()
    assert sorted(path.name for path in tiny_gguf.parent.iterdir()) == before


def broken_files(good: bytes) -> dict[str, bytes]:
    chance = random.Random(3)
    broken = {f"cut-at-{cut}": good[:cut] for cut in (4, 8, 40, 1000, len(good) // 2)}
    for number in range(6):
        damaged = bytearray(good)
        for _ in range(40):
            damaged[chance.randrange(4, 6000)] = chance.randrange(256)
        broken[f"damaged-{number}"] = bytes(damaged)
    return broken


def test_broken_files_are_named_and_leave_no_records(tiny_gguf: Path, tmp_path: Path) -> None:
    for name, content in broken_files(tiny_gguf.read_bytes()).items():
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(content)
        with pytest.raises(SourceError) as error:
            opened(path, tmp_path / "home").load()
        message = str(error.value)
        assert str(path) in message
        assert "\n" not in message
        assert "Traceback" not in message
    assert not (tmp_path / "home" / "models").exists() or folders(tmp_path / "home") == []


def test_an_unknown_architecture_error_lists_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_random_gguf(path)
    path.write_bytes(path.read_bytes().replace(b"llama", b"mamba"))
    with pytest.raises(SourceError, match=r"architecture 'mamba' is not supported; supported are .*llama, .*qwen2"):
        opened(path, tmp_path / "home").load()


@pytest.mark.parametrize(
    ("architecture", "kind", "sentence"),
    [
        ("clip", "mmproj", "it is not a complete model: its general.type is 'mmproj'"),
        ("llama", "adapter", "it is not a complete model: its general.type is 'adapter'"),
        ("clip", "", "architecture 'clip' is not supported"),
        ("flux", "", "architecture 'flux' is not supported"),
    ],
)
def test_a_file_without_a_language_model(tmp_path: Path, architecture: str, kind: str, sentence: str) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, architecture)
    if kind:
        writer.add_type(kind)
    writer.add_tensor("t", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(SourceError, match=sentence):
        opened(path, tmp_path / "home").load()


def test_a_home_that_cannot_be_written_is_one_error(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(SourceError, match="models"):
        opened(tiny_gguf, tmp_path).load()


def test_a_model_survives_the_removal_of_its_folder(tiny_gguf: Path, tmp_path: Path) -> None:
    """What is mapped stays mapped."""
    parts, _ = opened(tiny_gguf, tmp_path).load()
    assert isinstance(parts, ModelParts)
    shutil.rmtree(tmp_path / "models")
    assert parts.graph.vocabulary_size == 512
