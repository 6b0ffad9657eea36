"""Pulls a model from the hub into the hub's cache."""

from collections.abc import Callable
from contextlib import nullcontext

import httpx

from forefront.catalog.machine.memory import machine_memory
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.disk import check_space, disk_errors
from forefront.catalog.pull.display import Display
from forefront.catalog.pull.file_lock import hold_lock, is_locked
from forefront.catalog.pull.hub.file_selection import SelectionError, select
from forefront.catalog.pull.hub.hub_api import Hub, HubSettings
from forefront.catalog.pull.hub.hub_cache import HubCache, size_of
from forefront.catalog.pull.hub.repository import Repository, RepositoryFile, Selection
from forefront.catalog.pull.pulled_models import PulledFile, PulledModel, PulledModels
from forefront.catalog.pull.transfer import DownloadError, make_client, transfer
from forefront.catalog.sources.reference import HubReference
from forefront.catalog.sources.source import SourceError


class HubPull:
    """One pull. Raises `SourceError`, and `OSError` of the disk."""

    def __init__(
        self,
        reference: HubReference,
        settings: HubSettings,
        records: PulledModels,
        digests: ModelCache,
        display: Display,
    ) -> None:
        self._reference, self._settings, self._records = reference, settings, records
        self._digests, self._display = digests, display
        self._hub = Hub(settings)
        self._cache = HubCache(settings.cache, reference.repository)

    def run(self) -> PulledModel:
        """Find the model's files, download the missing ones, and link them into the snapshot of their commit."""
        repository = self._cached() if self._settings.offline else self._hub.repository(self._reference)
        try:
            selection = select(repository, self._reference.file, machine_memory())
        except SelectionError as error:
            raise SourceError(f"{self._reference}: {error}") from None
        before = self._records.get(str(self._reference))
        model = self._new_record(before, repository, selection)
        if before is None or not before.is_complete:  # an interrupted update leaves the old commit in service
            self._records.save(model)  # before the transfer, so that `forefront models remove` finds partial files
        missing = [file for file in selection.files if not self._cache.has(file)]
        if missing:
            self._bring(repository, missing, selection.size)
        for file in selection.files:
            self._cache.link(repository.commit, file)
        self._cache.set_revision(self._reference.revision, repository.commit)
        self._check(model, selection)
        return model

    def _cached(self) -> Repository:
        repository = self._cache.cached(self._reference)
        if repository is None:
            place = f"the hub's cache in {self._settings.cache}"
            raise SourceError(f"{self._reference}: HF_HUB_OFFLINE is set, and {place} does not have it")
        return repository

    def _new_record(self, before: PulledModel | None, repository: Repository, selection: Selection) -> PulledModel:
        directory = str(self._cache.snapshot(repository.commit))
        related = [
            other for other in self._records if other.directory == directory or other.reference == str(self._reference)
        ]
        pulled_files = {file.path for other in related for file in other.files if not file.shared}
        return PulledModel(
            reference=str(self._reference),
            title=self._reference.repository,
            licence=repository.licence or (before.licence if before is not None else ""),
            commit=repository.commit,
            directory=directory,
            main=selection.main,
            projector=selection.projector,
            files=[
                PulledFile(
                    path=file.path,
                    size=file.size,
                    blob=file.identity,
                    shared=file.path not in pulled_files and self._cache.has(file),
                )
                for file in selection.files
            ],
            used=before.used if before is not None else 0,
        )

    def _bring(self, repository: Repository, missing: list[RepositoryFile], size: int) -> None:
        """Download the files in order. `size`: bytes of the whole model."""
        needed = sum(file.size - size_of(self._cache.partial(file)) for file in missing)
        check_space(str(self._reference), self._cache.blobs, needed)
        self._wait_for_others(missing)
        try:
            client = make_client()
        except DownloadError as error:
            raise SourceError(f"{self._reference}: {error}") from None
        done = size - sum(file.size for file in missing)
        title = f"Pulling {self._reference}"
        with client, disk_errors(str(self._reference), self._cache.blobs), self._display(title, size) as shown:
            for file in missing:
                self._bring_file(client, repository, file, _Offset(shown, done))
                done += file.size

    def _bring_file(
        self, client: httpx.Client, repository: Repository, file: RepositoryFile, show: Callable[[int], None]
    ) -> None:
        partial = self._cache.partial(file)
        with hold_lock(self._cache.lock(file), lambda: show(size_of(partial))):
            if self._cache.has(file):  # another process was faster
                return
            try:
                digest = transfer(client, self._hub.remote_file(repository, file), partial, show)
            except DownloadError as error:
                raise self._hub.transfer_failure(self._reference, file, error) from None
            self._cache.publish(file)
            self._digests.remember(self._cache.blob(file), digest)

    def _wait_for_others(self, missing: list[RepositoryFile]) -> None:
        """Wait while other processes download the same files, and show their progress."""
        for file in filter(lambda file: is_locked(self._cache.lock(file)), missing):
            with self._display(f"Waiting for another pull of {file.name}", file.size) as shown:
                partial = self._cache.partial(file)
                with hold_lock(self._cache.lock(file), lambda: shown(size_of(partial))):  # noqa: B023
                    pass

    def _check(self, model: PulledModel, selection: Selection) -> None:
        """Fill in the hashes. Files that other programs downloaded are read once for their hashes."""
        shared = any(file.shared for file in model.files)
        with self._display(f"Checking {self._reference}", 0) if shared else nullcontext():
            for record, file in zip(model.files, selection.files, strict=True):
                blob = self._cache.blob(file)
                record.sha256 = self._digests.digest([blob])
                if file.sha256 and record.sha256 != file.sha256:
                    raise SourceError(f"{self._reference}: the copy in the hub's cache is damaged; delete {blob}")


class _Offset:
    """Shows the size of one file as part of the whole model's."""

    def __init__(self, shown: Callable[[int], None], start: int) -> None:
        self._shown, self._start = shown, start

    def __call__(self, size: int) -> None:
        self._shown(self._start + size)
