"""Pulls a GGUF file from a URL whose hash is known."""

from pathlib import Path

import httpx

from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.disk import check_space
from forefront.catalog.pull.display import Display
from forefront.catalog.pull.file_lock import hold_lock, is_locked
from forefront.catalog.pull.hub.hub_cache import size_of
from forefront.catalog.pull.pulled_models import PulledFile, PulledModel, PulledModels
from forefront.catalog.pull.transfer import DownloadError, RemoteFile, find_size, make_client, transfer
from forefront.catalog.sources.reference import UrlReference
from forefront.catalog.sources.source import SourceError


def pull_url(
    reference: UrlReference, home: Path, records: PulledModels, cache: ModelCache, display: Display
) -> PulledModel:
    """The model in its own folder under `home`. Raises `SourceError`, and `OSError` of the disk."""
    folder = home / "pulled" / "files" / reference.sha256[:32]
    path, lock = folder / reference.file_name, folder / "lock"
    partial = path.with_name(f"{path.name}.incomplete")
    if is_locked(lock):
        with (
            display(f"Waiting for another pull of {path.name}", 0) as shown,
            hold_lock(lock, lambda: shown(size_of(partial))),
        ):
            pass
    model = PulledModel(
        reference=str(reference),
        title=path.stem,
        licence="",
        commit="",
        directory=str(folder),
        main=path.name,
        projector="",
        files=[PulledFile(path=path.name, size=size_of(path), sha256=reference.sha256)],
    )
    with hold_lock(lock):
        if not path.is_file():
            records.save(model)  # before the transfer, so that `forefront models remove` finds partial files
            try:
                with make_client() as client:
                    _bring(client, reference, partial, display)
            except DownloadError as error:
                raise SourceError(f"{reference}: {error}") from None
            partial.replace(path)
            cache.remember(path, reference.sha256)
    model.files[0].size = path.stat().st_size
    return model


def _bring(client: httpx.Client, reference: UrlReference, partial: Path, display: Display) -> None:
    size = find_size(client, reference.url)
    if size is not None:
        check_space(str(reference), partial.parent, size - size_of(partial))
    with display(f"Pulling {reference.file_name}", size or 0) as shown:
        transfer(client, RemoteFile(reference.url, None, reference.sha256), partial, shown)
