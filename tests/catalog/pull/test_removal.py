"""Records of pulled models, and their removal: files of the removed model go, shared files stay."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull import transfer
from forefront.catalog.pull.hub.hub_api import HubSettings
from forefront.catalog.pull.pull import Puller
from forefront.catalog.pull.pulled_models import PulledModel, PulledModels
from forefront.catalog.pull.removal import remove_model
from forefront.catalog.sources.reference import HubReference
from forefront.catalog.sources.source import ModelSource, SourceError
from tests.support.recorded_display import RecordedDisplay
from tests.support.services.hub import Hub, Repository, run_hub

FILES = {"m-Q8_0.gguf": bytes(3000), "m-Q4_0.gguf": b"\1" * 2000, "mmproj-m-f16.gguf": b"\2" * 100}
EIGHT, FOUR = HubReference("owner/model", "Q8_0"), HubReference("owner/model", "Q4_0")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(transfer, "PAUSES", ())
    with run_hub(owner__model=Repository(dict(FILES))) as running:
        yield running


def make_puller(hub: Hub, tmp_path: Path, home: str = "home") -> Puller:
    return Puller(tmp_path / home, RecordedDisplay().display, HubSettings(hub.url, tmp_path / "hub", None, False))


def remove(model: PulledModel, home: Path) -> int:
    return remove_model(model, PulledModels(home), ModelCache(home))


def files(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "hub").rglob("*.gguf")}


def test_shared_files_stay_until_their_last_model_goes(hub: Hub, tmp_path: Path) -> None:
    puller, home = make_puller(hub, tmp_path), tmp_path / "home"
    eight, four = puller.pull(EIGHT), puller.pull(FOUR)
    packed = ModelCache(home).models / f"{eight.digest[:32]}-5"
    packed.mkdir(parents=True)
    (packed / "weights.bin").write_bytes(bytes(500))
    assert remove(eight, home) == 3500
    assert files(tmp_path) == {"m-Q4_0.gguf", "mmproj-m-f16.gguf"}
    assert not packed.exists()
    assert [model.reference for model in puller.records] == [str(FOUR)]
    assert remove(four, home) == 2100
    assert files(tmp_path) == set()
    assert not list((tmp_path / "hub").glob("models--*/blobs/*"))
    assert not list((tmp_path / "hub").glob("models--*/snapshots/*"))


def test_files_of_another_program_stay(hub: Hub, tmp_path: Path) -> None:
    make_puller(hub, tmp_path, "another-program").pull(EIGHT)
    model = make_puller(hub, tmp_path).pull(EIGHT)
    assert all(file.shared for file in model.files)
    assert remove(model, tmp_path / "home") == 0
    assert files(tmp_path) == {"m-Q8_0.gguf", "mmproj-m-f16.gguf"}


def test_leftovers_of_an_interrupted_pull_are_removed(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [1000]
    with pytest.raises(SourceError):
        make_puller(hub, tmp_path).pull(EIGHT)
    [model] = make_puller(hub, tmp_path).records
    assert model.received == 1000
    remove(model, tmp_path / "home")
    assert not list((tmp_path / "hub").glob("models--*/blobs/*"))


def test_a_model_is_in_use_until_its_process_ends(hub: Hub, tmp_path: Path) -> None:
    puller = make_puller(hub, tmp_path)
    source, use = puller.find_source(ModelSource("m", Path("hf:owner/model:Q8_0"), EIGHT))
    assert source.path.read_bytes() == FILES["m-Q8_0.gguf"]
    assert source.projector is not None
    assert source.projector.read_bytes() == FILES["mmproj-m-f16.gguf"]
    [model] = puller.records
    located = puller.records.locate(ModelSource("m", Path("hf:owner/model:Q8_0"), EIGHT))
    assert (located.path, located.projector, located.remote) == (source.path, source.projector, EIGHT)
    other = ModelSource("m", Path("hf:owner/model:Q4_0"), FOUR)
    assert puller.records.locate(other) == other
    assert model.used >= model.pulled > 0
    assert puller.records.is_used(model)
    assert use is not None
    use.end()
    assert not puller.records.is_used(model)
    program = (
        "import sys, pathlib; from forefront.catalog.pull.pulled_models import PulledModels\n"
        "records = PulledModels(pathlib.Path(sys.argv[1]))\n"
        "held = [records.use(model) for model in records]\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "home")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert puller.records.is_used(model)
        process.kill()
        process.wait()
    assert not puller.records.is_used(model)


def test_a_non_record_file_is_skipped(hub: Hub, tmp_path: Path) -> None:
    puller = make_puller(hub, tmp_path)
    model = puller.pull(EIGHT)
    folder = puller.records.folder
    (folder / "broken.json").write_text("{")
    text = next(folder.glob("hf-*.json")).read_text()
    (folder / "hostile.json").write_text(text.replace('"m-Q8_0.gguf"', '"../../../m"'))
    assert list(puller.records) == [model]
