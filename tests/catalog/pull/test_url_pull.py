"""GGUF files from plain URLs: over real HTTP, checked, continued, or with one clear sentence."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forefront.catalog.pull import transfer
from forefront.catalog.pull.pull import Puller
from forefront.catalog.sources.reference import UrlReference, parse_reference
from forefront.catalog.sources.source import SourceError
from tests.support.recorded_display import RecordedDisplay
from tests.support.services.hub import Hub, Repository, run_hub

CONTENT = os.urandom(2_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
# Of the stand-in: it redirects to its storage.
PATH = "owner/model/resolve/main/small.gguf"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(transfer, "PAUSES", ())
    with run_hub(owner__model=Repository({"small.gguf": CONTENT})) as running:
        yield running


def reference(hub: Hub, digest: str = DIGEST, path: str = PATH) -> UrlReference:
    parsed = parse_reference(f"{hub.url}/{path}?signature=secret#sha256={digest}")
    assert isinstance(parsed, UrlReference)
    return parsed


def refusal(home: Path, wanted: UrlReference) -> str:
    with pytest.raises(SourceError) as raised:
        Puller(home, RecordedDisplay().display).pull(wanted)
    text = str(raised.value)
    assert "\n" not in text
    assert "secret" not in text
    return text


def test_a_file_is_pulled_once(hub: Hub, tmp_path: Path) -> None:
    puller = Puller(tmp_path, RecordedDisplay().display)
    model = puller.pull(reference(hub))
    assert model.path.read_bytes() == CONTENT
    assert (model.path.name, model.size, model.digest) == ("small.gguf", len(CONTENT), DIGEST)
    assert "secret" not in "".join(path.read_text() for path in (tmp_path / "pulled").glob("*.json"))
    before = len(hub.requests)
    assert puller.find(reference(hub)).path == puller.pull(reference(hub)).path == model.path
    assert len(hub.requests) == before


def test_a_download_resumes_after_a_cut(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [700_000]
    assert "breaks off" in refusal(tmp_path, reference(hub))
    [record] = Puller(tmp_path, RecordedDisplay().display).records
    assert record.received == 700_000
    shown = RecordedDisplay()
    assert Puller(tmp_path, shown.display).find(reference(hub)).path.read_bytes() == CONTENT
    assert shown.texts == ["Pulling small.gguf"]
    assert shown.counts[0] == 700_000
    assert hub.downloads()[-1][1] == "bytes=700000-"


def test_an_invalid_source_gives_a_short_error(hub: Hub, tmp_path: Path) -> None:
    assert "another checksum" in refusal(tmp_path, reference(hub, "0" * 64))
    assert "status 404" in refusal(tmp_path, reference(hub, path="owner/model/resolve/main/other.gguf"))
    hub.redirect = f"{hub.url}/{PATH}"
    assert "redirected too often" in refusal(tmp_path, reference(hub))
    hub.redirect = "ftp://127.0.0.1/file"
    assert refusal(tmp_path, reference(hub))
    hub.redirect = "http://198.51.100.1/x"
    assert "without encryption" in refusal(tmp_path, reference(hub))
    missing = UrlReference("http://127.0.0.1:9/m.gguf", DIGEST)
    assert "127.0.0.1 cannot be reached" in refusal(tmp_path, missing)


def test_an_unreachable_proxy_gives_a_short_error(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = UrlReference("https://models.invalid/m.gguf", DIGEST)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    text = refusal(tmp_path, wanted)
    assert "models.invalid (through the proxy that the environment names) cannot be reached" in text
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://127.0.0.1:9")
    assert "proxy or certificate settings" in refusal(tmp_path, wanted)
