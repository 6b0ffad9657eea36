"""What may stand on the command line of `forefront serve`."""

from pathlib import Path

import pytest

from forefront.catalog.sources.source import BUILT_IN_PATH, SourceError, built_in, parse_source


def test_a_file_is_served_under_its_own_name(tiny_gguf: Path) -> None:
    assert parse_source(str(tiny_gguf)).name == "tiny"
    assert parse_source(f"other/name={tiny_gguf}").name == "other/name"
    assert parse_source(str(tiny_gguf)).is_gguf


def test_an_ir_directory_is_served_unchanged(tiny_directory: Path) -> None:
    source = parse_source(f"ir={tiny_directory}")
    assert (source.name, source.is_gguf) == ("ir", False)


def test_a_path_may_hold_an_equals_sign(tiny_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "a=b.gguf"
    path.write_bytes(tiny_gguf.read_bytes())
    with pytest.raises(SourceError, match="cannot be a model's name"):
        parse_source(str(path))
    assert parse_source(f"named={path}").path == path


def test_a_directory_with_one_gguf_model_is_that_model(tmp_path: Path) -> None:
    names = ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", "mmproj-m-F16.gguf"]
    for name in names:
        (tmp_path / name).write_bytes(b"GGUF")
    (tmp_path / "config.json").write_text("{}")
    source = parse_source(str(tmp_path))
    assert (source.path, source.is_gguf) == (tmp_path / names[0], True)
    assert parse_source(f"m={tmp_path}").name == "m"
    (tmp_path / "m-Q4_0.gguf").write_bytes(b"GGUF")
    with pytest.raises(SourceError, match=r"several models; name one of m-Q4_0\.gguf, m-Q8_0-00001-of-00002\.gguf"):
        parse_source(str(tmp_path))


@pytest.mark.parametrize("text", ["m=", "=m.gguf", "="])
def test_model_and_name_are_required_together(text: str) -> None:
    with pytest.raises(SourceError, match="or NAME= before one"):
        parse_source(text)


def test_a_misspelt_known_name_is_recognised() -> None:
    with pytest.raises(SourceError, match=r"did you mean smollm2\? There are forefront-mini, smollm2"):
        parse_source("smolm2")


def test_the_built_in_model_has_its_name() -> None:
    assert parse_source("forefront-mini") == built_in()
    assert parse_source("mine=forefront-mini").path == BUILT_IN_PATH
    assert BUILT_IN_PATH.is_file()


def test_an_unservable_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "nothing.gguf").write_bytes(b"")
    for text, message in [
        (tmp_path / "missing.gguf", "no such file"),
        (tmp_path / "empty", "openvino_model.xml"),
        (tmp_path / "note.txt", "not a GGUF file"),
        (tmp_path / "nothing.gguf", "not a GGUF file"),
    ]:
        with pytest.raises(SourceError, match=message) as error:
            parse_source(str(text))
        assert str(text) in str(error.value)
