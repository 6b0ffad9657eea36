"""Conversion: once, in a child process, into a cache; a broken file is one clear error."""

import random
import threading
from pathlib import Path

import pytest

from forefront.catalog import store
from forefront.catalog.convert import write_ir
from forefront.catalog.source import ModelSource, SourceError
from forefront.catalog.store import Store, read_facts
from tests.support.random_model import write_random_gguf


def test_a_file_is_converted_once_and_found_by_its_content(tiny_gguf: Path, tmp_path: Path) -> None:
    home = Store(tmp_path)
    source = ModelSource("tiny", tiny_gguf)
    assert home.find(source) is None
    directory = home.convert(source)
    assert home.find(source) == directory
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(tiny_gguf.read_bytes())
    assert Store(tmp_path).find(ModelSource("other", copy)) == directory
    facts = read_facts(directory)
    assert facts.context_length == 2048
    assert facts.end_tokens == {2}
    assert [path.name for path in (tmp_path / "models").iterdir()] == [directory.name]


def test_what_an_earlier_version_converted_is_not_used(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ModelSource("tiny", tiny_gguf)
    directory = Store(tmp_path).convert(source)
    monkeypatch.setattr(store, "_CONVERSION", store._CONVERSION + 1)
    assert Store(tmp_path).find(source) is None
    assert Store(tmp_path).convert(source) != directory


def test_the_model_file_itself_is_left_alone(tiny_gguf: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in tiny_gguf.parent.iterdir())
    Store(tmp_path).convert(ModelSource("tiny", tiny_gguf))
    assert sorted(path.name for path in tiny_gguf.parent.iterdir()) == before


def test_two_conversions_at_once_end_in_one_directory(tiny_gguf: Path, tmp_path: Path) -> None:
    results: list[Path] = []
    source = ModelSource("tiny", tiny_gguf)
    threads = [threading.Thread(target=lambda: results.append(Store(tmp_path).convert(source))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert len(set(results)) == 1
    assert len(list((tmp_path / "models").iterdir())) == 1


def broken_files(good: bytes) -> dict[str, bytes]:
    chance = random.Random(3)
    broken = {f"cut-at-{cut}": good[:cut] for cut in (4, 8, 40, 1000, len(good) // 2)}
    for number in range(6):
        damaged = bytearray(good)
        for _ in range(40):
            damaged[chance.randrange(4, 6000)] = chance.randrange(256)
        broken[f"damaged-{number}"] = bytes(damaged)
    return broken


def test_broken_files_give_one_error_that_names_them_and_leave_nothing(tiny_gguf: Path, tmp_path: Path) -> None:
    home = Store(tmp_path / "home")
    for name, content in broken_files(tiny_gguf.read_bytes()).items():
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(content)
        with pytest.raises(SourceError) as error:
            home.convert(ModelSource(name, path))
        message = str(error.value)
        assert str(path) in message
        assert "\n" not in message
        assert "Traceback" not in message
    assert list((tmp_path / "home" / "models").iterdir()) == []


def test_an_unknown_quantisation_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "f32.gguf"
    write_random_gguf(path, quant="F32")
    with pytest.raises(SourceError, match=r"f32\.gguf"):
        Store(tmp_path / "home").convert(ModelSource("f32", path))


def test_a_home_that_cannot_be_written_is_one_error(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(SourceError, match="models"):
        Store(tmp_path).convert(ModelSource("tiny", tiny_gguf))


def test_facts_of_a_directory_that_was_exported_elsewhere(tiny_gguf: Path, tmp_path: Path) -> None:
    write_ir(tiny_gguf, tmp_path)
    with pytest.raises(SourceError, match="context"):
        read_facts(tmp_path)
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    facts = read_facts(tmp_path)
    assert (facts.context_length, set(facts.end_tokens)) == (512, {0, 2})
    (tmp_path / "openvino_tokenizer.xml").unlink()
    with pytest.raises(SourceError, match=r"openvino_tokenizer\.xml is missing"):
        read_facts(tmp_path)
