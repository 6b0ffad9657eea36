"""Models come from a stand-in of the hub over real HTTP: whole, once, continued, checked, or with one sentence."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forefront.catalog.pull import transfer
from forefront.catalog.pull.hub import hub_pull
from forefront.catalog.pull.hub.hub_api import HubSettings
from forefront.catalog.pull.hub.hub_cache import HubCache
from forefront.catalog.pull.pull import Puller
from forefront.catalog.sources.reference import HubReference
from forefront.catalog.sources.source import SourceError
from tests.support.recorded_display import RecordedDisplay
from tests.support.services.hub import COMMIT, NEXT_COMMIT, Hub, Repository, run_hub

CONTENT = os.urandom(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "owner/model"
REFERENCE = HubReference(NAME)
FILES = {"README.md": b"# Model", "model-Q8_0.gguf": CONTENT}
DIRECTORY = {
    "README.md": b"# Model",
    ".gitattributes": b"",
    "config.json": b"{}",
    "generation_config.json": b"{}",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors.index.json": b"{}",
    "model-00001-of-00002.safetensors": CONTENT[:1000],
    "model-00002-of-00002.safetensors": CONTENT[1000:3000],
    "consolidated.safetensors": CONTENT[:3000],
    "pytorch_model.bin": b"pickled",
    "original/model.safetensors": b"other",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one repository, and transfers that try again at once."""
    monkeypatch.setattr(transfer, "PAUSES", ())
    with run_hub(owner__model=Repository(dict(FILES))) as running:
        yield running


def settings(hub: Hub, tmp_path: Path, **changes: Any) -> HubSettings:
    values: dict[str, Any] = {"endpoint": hub.url, "cache": tmp_path / "hub", "token": None, "offline": False} | changes
    return HubSettings(**values)


def puller(hub: Hub, tmp_path: Path, shown: RecordedDisplay | None = None, **changes: Any) -> Puller:
    return Puller(tmp_path / "home", (shown or RecordedDisplay()).display, settings(hub, tmp_path, **changes))


def refusal(hub: Hub, tmp_path: Path, reference: HubReference = REFERENCE, **changes: Any) -> str:
    """The one line of a pull that fails."""
    with pytest.raises(SourceError) as raised:
        puller(hub, tmp_path, **changes).pull(reference)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def blobs(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob("hub/models--*/blobs/*"))


def test_a_file_is_pulled_once_and_has_a_record(hub: Hub, tmp_path: Path) -> None:
    shown = RecordedDisplay()
    model = puller(hub, tmp_path, shown).pull(REFERENCE)
    assert model.path.read_bytes() == CONTENT
    assert (model.commit, model.licence, model.size) == (COMMIT, "apache-2.0", len(CONTENT))
    assert model.is_complete
    assert model.path == tmp_path / "hub" / "models--owner--model" / "snapshots" / COMMIT / "model-Q8_0.gguf"
    assert shown.texts == [f"Pulling {REFERENCE}"]
    assert shown.counts[0] == 0
    assert shown.counts[-1] == len(CONTENT)
    assert [path for server, _, path, _, _ in hub.requests if server == "hub"] == [
        f"/api/models/{NAME}?blobs=true",
        f"/{NAME}/resolve/{COMMIT}/model-Q8_0.gguf",
    ]
    before = len(hub.requests)
    assert puller(hub, tmp_path).find(REFERENCE) == model  # for a server: without a request
    assert len(hub.requests) == before
    assert puller(hub, tmp_path).pull(REFERENCE).path == model.path
    assert len(hub.downloads()) == 1


def test_a_directory_is_pulled_without_anything_else(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[NAME].files = DIRECTORY
    model = puller(hub, tmp_path).pull(REFERENCE)
    expected = set(DIRECTORY) - {
        *("README.md", ".gitattributes", "consolidated.safetensors", "pytorch_model.bin", "original/model.safetensors")
    }
    found = {str(path.relative_to(model.path)) for path in model.path.rglob("*")}
    assert found == expected
    assert all((model.path / path).read_bytes() == DIRECTORY[path] for path in expected)


def test_parts_and_projector_come_together(hub: Hub, tmp_path: Path) -> None:
    parts = {f"Q4_K_M/m-Q4_K_M-0000{n}-of-00003.gguf": os.urandom(100) for n in (1, 2, 3)}
    hub.repositories[NAME].files = parts | {"mmproj-m-f16.gguf": b"projector", "mmproj-m-f32.gguf": b"other"}
    model = puller(hub, tmp_path).pull(HubReference(NAME, "q4_k_m"))
    assert [file.path for file in model.files] == [*parts, "mmproj-m-f16.gguf"]
    assert model.path.name == "m-Q4_K_M-00001-of-00003.gguf"
    assert model.projector == "mmproj-m-f16.gguf"


@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_an_interrupted_pull_resumes(hub: Hub, tmp_path: Path, ignores_ranges: bool) -> None:
    hub.cuts = [1_000_000]
    hub.ignores_ranges = ignores_ranges
    assert "the transfer from 127.0.0.1 breaks off" in refusal(hub, tmp_path)
    assert [path.stat().st_size for path in blobs(tmp_path)] == [1_000_000]
    record = next(iter(puller(hub, tmp_path).records))
    assert (record.is_complete, record.received) == (False, 1_000_000)
    shown = RecordedDisplay()
    model = puller(hub, tmp_path, shown).find(REFERENCE)
    assert model.path.read_bytes() == CONTENT
    assert shown.counts[0] == 1_000_000
    assert [range_ for _, range_ in hub.downloads()] == [None, "bytes=1000000-"]
    assert [path.stat().st_size for path in blobs(tmp_path)] == [len(CONTENT)]


def test_one_pull_survives_several_cuts_and_busy_answers(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSES", (0.0, 0.0))
    hub.cuts = [500_000] * 5  # each brings something, so none counts as a failure in a row
    assert puller(hub, tmp_path).pull(REFERENCE).path.read_bytes() == CONTENT
    assert len(hub.downloads()) == 6


def test_a_failing_server_is_given_up(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSES", (0.0, 0.0))
    hub.cuts = [0] * 10
    assert "breaks off" in refusal(hub, tmp_path)
    assert len(hub.downloads()) == 3
    assert not list(puller(hub, tmp_path).records)  # nothing has come, so nothing is listed


def test_a_wrong_checksum_is_refused_and_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.content = bytes(len(CONTENT))
    assert "the downloaded file has another checksum than expected" in refusal(hub, tmp_path)
    assert sum(path.stat().st_size for path in blobs(tmp_path)) == 0
    hub.content = None
    assert puller(hub, tmp_path).pull(REFERENCE).path.read_bytes() == CONTENT


def test_a_damaged_part_is_detected_at_the_end(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [1000]
    refusal(hub, tmp_path)
    [part] = blobs(tmp_path)
    part.write_bytes(bytes(1000))
    assert "another checksum" in refusal(hub, tmp_path)
    assert puller(hub, tmp_path).pull(REFERENCE).path.read_bytes() == CONTENT


def test_a_small_file_with_other_content_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[NAME].files = DIRECTORY
    hub.repositories[NAME].listed = {"config.json": {"blobId": "0" * 40}}
    assert "another checksum" in refusal(hub, tmp_path)


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1, 10])
def test_a_false_size_is_refused(hub: Hub, tmp_path: Path, size: int) -> None:
    lfs = {"sha256": DIGEST, "size": size, "pointerSize": 134}
    hub.repositories[NAME].listed = {"model-Q8_0.gguf": {"lfs": lfs}}
    text = refusal(hub, tmp_path)
    assert "more than the" in text or "ended early" in text or "refuses to continue" in text
    assert all(path.stat().st_size <= len(CONTENT) for path in blobs(tmp_path))


def test_an_endless_answer_is_cut(hub: Hub, tmp_path: Path) -> None:
    hub.endless = True
    assert f"the server sends more than the {len(CONTENT)} bytes" in refusal(hub, tmp_path)


def test_two_pulls_share_one_transfer(hub: Hub, tmp_path: Path) -> None:
    hub.gate.clear()
    hub.held_after = 1_000_000
    shown = [RecordedDisplay(), RecordedDisplay()]
    models: list[Path] = []

    def pull(display: RecordedDisplay) -> None:
        models.append(puller(hub, tmp_path, display).pull(REFERENCE).path)

    first = threading.Thread(target=pull, args=(shown[0],))
    first.start()
    wait_for(lambda: 1_000_000 in shown[0].counts)
    second = threading.Thread(target=pull, args=(shown[1],))
    second.start()
    wait_for(lambda: 1_000_000 in shown[1].counts)
    hub.gate.set()
    for thread in (first, second):
        thread.join()
    assert models[0] == models[1]
    assert models[0].read_bytes() == CONTENT
    assert len(hub.downloads()) == 1
    assert shown[1].texts[0] == "Waiting for another pull of model-Q8_0.gguf"


def wait_for(condition: Callable[[], bool]) -> None:
    stop = threading.Event()
    for _ in range(5000):
        if condition():
            return
        stop.wait(0.02)
    raise AssertionError("it did not happen")


def test_the_token_stays_with_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[NAME].token = "hf_secret"
    model = puller(hub, tmp_path, token="hf_secret").pull(REFERENCE)
    assert model.path.read_bytes() == CONTENT
    assert hub.tokens("hub") == {"Bearer hf_secret"}
    assert hub.tokens("storage") == {None}
    assert "hf_secret" not in repr(settings(hub, tmp_path, token="hf_secret"))
    records = "".join(path.read_text() for path in (tmp_path / "home" / "pulled").iterdir())
    assert "hf_secret" not in records
    assert "signature" not in records


def test_the_cache_is_shared_with_other_programs(hub: Hub, tmp_path: Path) -> None:
    """`huggingface_hub` finds what was pulled here, and what it has brought is not pulled again."""
    from huggingface_hub import hf_hub_download

    model = puller(hub, tmp_path).pull(REFERENCE)
    known = {"endpoint": hub.url, "token": False}
    found = hf_hub_download(NAME, "model-Q8_0.gguf", cache_dir=tmp_path / "hub", **known)  # type: ignore[call-overload]
    assert found == str(model.path)
    hf_hub_download(NAME, "model-Q8_0.gguf", cache_dir=tmp_path / "other", **known)  # type: ignore[call-overload]
    before = len(hub.downloads())
    other = settings(hub, tmp_path, cache=tmp_path / "other")
    reused = Puller(tmp_path / "new", RecordedDisplay().display, other).pull(REFERENCE)
    assert len(hub.downloads()) == before
    assert [file.shared for file in reused.files] == [True]
    assert reused.path.read_bytes() == CONTENT


def test_a_damaged_copy_of_another_program_is_named(hub: Hub, tmp_path: Path) -> None:
    cache = HubCache(tmp_path / "hub", NAME)
    cache.blobs.mkdir(parents=True)
    (cache.blobs / DIGEST).write_bytes(bytes(len(CONTENT)))
    assert f"the copy in the hub's cache is damaged; delete {cache.blobs}" in refusal(hub, tmp_path)


def test_without_a_network_the_cache_serves(hub: Hub, tmp_path: Path) -> None:
    puller(hub, tmp_path).pull(REFERENCE)
    before = len(hub.requests)
    other = Puller(tmp_path / "new", RecordedDisplay().display, settings(hub, tmp_path, offline=True))
    assert other.pull(REFERENCE).path.read_bytes() == CONTENT
    assert other.pull(HubReference(NAME, "Q8_0", COMMIT)).path.read_bytes() == CONTENT
    assert len(hub.requests) == before
    text = refusal(hub, tmp_path, HubReference("owner/other"), offline=True)
    assert text == f"hf:owner/other: HF_HUB_OFFLINE is set, and the hub's cache in {tmp_path}/hub does not have it"


def test_a_new_revision_replaces_the_old_one(hub: Hub, tmp_path: Path) -> None:
    old = puller(hub, tmp_path).pull(REFERENCE)
    hub.repositories[NAME] = Repository({"model-Q8_0.gguf": CONTENT[::-1]}, commit=NEXT_COMMIT)
    assert puller(hub, tmp_path).find(REFERENCE).commit == COMMIT
    hub.cuts = [1000]
    refusal(hub, tmp_path)
    assert puller(hub, tmp_path).find(REFERENCE).commit == COMMIT  # an interrupted update changes nothing
    new = puller(hub, tmp_path).pull(REFERENCE)
    assert (new.commit, new.path.read_bytes()) == (NEXT_COMMIT, CONTENT[::-1])
    assert not old.path.exists()
    assert len(blobs(tmp_path)) == 1


@pytest.mark.parametrize(
    ("reference", "token", "message"),
    [
        (HubReference("owner/missing"), None, "there is no such repository on 127.0.0.1:"),
        (HubReference("owner/missing"), "hf_x", "there is no such repository on 127.0.0.1:"),
        (HubReference("owner/private"), None, "or it is private, and set HF_TOKEN"),
        (HubReference("owner/gated"), None, "/owner/gated, and set HF_TOKEN to a token"),
        (HubReference("owner/gated"), "hf_other", "/owner/gated, with the account of the token in HF_TOKEN"),
        (HubReference(NAME, "", "no-branch"), None, "the repository has no branch, tag or commit no-branch"),
        (HubReference(NAME, "other.gguf"), None, "no file or quantisation other.gguf; there are hf:owner/model:Q8_0"),
        (HubReference(NAME, "Q2_K"), None, "it has no file or quantisation Q2_K; there are hf:owner/model:Q8_0"),
    ],
)
def test_an_unavailable_file_gives_a_short_error(
    hub: Hub, tmp_path: Path, reference: HubReference, token: str | None, message: str
) -> None:
    hub.repositories["owner/private"] = Repository(FILES, token="right", private=True)
    hub.repositories["owner/gated"] = Repository(FILES, token="right")
    text = refusal(hub, tmp_path, reference, token=token)
    assert text.startswith(f"{reference}: ")
    assert message in text
    assert "right" not in text
    assert not list(puller(hub, tmp_path).records)


def test_a_failing_hub_gives_a_short_error(hub: Hub, tmp_path: Path) -> None:
    hub.statuses = [500]
    assert refusal(hub, tmp_path).endswith("the hub answers with status 500")
    text = refusal(hub, tmp_path, endpoint="http://127.0.0.1:9")
    assert "the hub at 127.0.0.1:9 cannot be reached" in text
    assert text.endswith("HF_HUB_OFFLINE=1 uses models that were pulled before")


def test_a_redirect_without_encryption_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.redirect = "http://192.0.2.1/file"
    assert "it is redirected to 192.0.2.1 without encryption" in refusal(hub, tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "../evil-Q8_0.gguf",
        "/etc/evil-Q8_0.gguf",
        "a/../../evil-Q8_0.gguf",
        "a\\..\\evil-Q8_0.gguf",
        "\x1b[2Jevil-Q8_0.gguf",
    ],
)
def test_malicious_names_are_never_used(hub: Hub, tmp_path: Path, path: str) -> None:
    hub.repositories[NAME].files = {path: CONTENT}
    assert "neither GGUF files nor config.json" in refusal(hub, tmp_path)
    hub.repositories[NAME].files = {path: b"x", "model-Q8_0.gguf": CONTENT}
    model = puller(hub, tmp_path).pull(REFERENCE)
    assert [file.path for file in model.files] == ["model-Q8_0.gguf"]
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    "listed",
    [
        {"lfs": {"sha256": "../../x", "size": 1, "pointerSize": 1}},
        {"lfs": {"sha256": "A" * 64, "size": 1, "pointerSize": 1}},
        {"lfs": {"sha256": "0" * 64, "size": -1, "pointerSize": 1}},
        {"lfs": {"sha256": "0" * 64, "size": 2**60, "pointerSize": 1}},
        {"lfs": {"sha256": "0" * 64, "size": "big", "pointerSize": 1}},
        {"lfs": {"sha256": None, "size": 1, "pointerSize": 1}},
        {"lfs": None, "blobId": "../x"},
        {"lfs": None, "size": None},
    ],
)
def test_malicious_descriptions_are_refused(hub: Hub, tmp_path: Path, listed: dict[str, Any]) -> None:
    hub.repositories[NAME].listed = {"model-Q8_0.gguf": listed}
    assert "the hub's description of the repository is invalid" in refusal(hub, tmp_path)
    assert not hub.downloads()


def test_a_malicious_commit_hash_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[NAME].commit = "../../etc"
    assert "its commit is not a hash" in refusal(hub, tmp_path)


def test_a_full_disk_is_detected_before_and_during_a_pull(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lfs = {"sha256": "0" * 64, "size": 2**49, "pointerSize": 134}
    hub.repositories[NAME].listed = {"model-Q8_0.gguf": {"lfs": lfs}}
    assert "it needs 562949.95 GB more" in refusal(hub, tmp_path, HubReference(NAME, "Q8_0"))
    assert not hub.downloads()
    hub.repositories[NAME].listed = {}
    written = transfer.PartialFile.append

    def append(partial: transfer.PartialFile, chunk: bytes) -> None:
        if partial.size > 1_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(partial, chunk)

    monkeypatch.setattr(transfer.PartialFile, "append", append)
    assert f"the disk of {tmp_path}/hub/models--owner--model/blobs is full; partial" in refusal(hub, tmp_path)
    monkeypatch.undo()
    assert puller(hub, tmp_path).pull(REFERENCE).path.read_bytes() == CONTENT
    assert hub.downloads()[-1][1] is not None


def test_an_unwritable_cache_gives_a_short_error(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("")
    assert "Not a directory" in refusal(hub, tmp_path) or "File exists" in refusal(hub, tmp_path)


def test_no_quantisation_that_fits_lists_the_choices(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_pull, "machine_memory", lambda: 2**30)
    text = refusal(hub, tmp_path)
    assert "no quantisation fits the 1.0 GiB of memory" in text
    assert "hf:owner/model:Q8_0 (0.003 GB)" in text
    assert puller(hub, tmp_path).pull(HubReference(NAME, "Q8_0")).is_complete
