"""From the settings of models to the models of the catalogue: the place where each kind of model gets its loader."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.catalog.load_queue import LoadQueue, gibibytes, no_room
from forefront.catalog.loaded_model import ModelLoader, Progress
from forefront.catalog.loading import LocalLoader
from forefront.catalog.machine_memory import machine_memory
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.model_settings import parse_keep
from forefront.catalog.pull.pull import Puller
from forefront.catalog.pull.records import ModelUse, PulledModels
from forefront.catalog.source import ModelSource, SourceError, find_known
from forefront.cli.settings.model_list import ConfiguredModel
from forefront.cli.settings.sections import LoadingSettings
from forefront.cli.upstream_model import load_upstream

log = logging.getLogger(__name__)

# Memory that is left to the system and to this program apart from models: an eighth, from 1 GiB on, at most half.
_RESERVE_SHARE: Final = 8
_SMALLEST_RESERVE: Final = 2**30


def memory_limit(settings: LoadingSettings, total: int | None = None) -> int:
    """The bytes that models may take."""
    if settings.memory_gib is not None:
        return int(settings.memory_gib * 2**30)
    total = machine_memory() if total is None else total
    return total - min(max(total // _RESERVE_SHARE, _SMALLEST_RESERVE), total // 2)


def make_model(configured: ConfiguredModel, home: Path) -> ServedModel:
    """The model, not loaded yet, with its estimated size. One with an upstream has nothing to load.

    Reads its files. Raises `SourceError`, and `ConfigError` for an upstream.
    """
    if configured.source is None:
        return ServedModel.permanent(configured.name, load_upstream(configured.name, configured.settings))
    loader = _make_loader(configured, configured.source, home)
    keep = configured.settings.keep
    model = ServedModel(configured.name, loader) if keep is None else _kept(configured.name, loader, keep)
    model.estimate = loader.estimate()
    model.memory_bytes = model.estimate.memory_bytes
    return model


def _kept(name: str, loader: ModelLoader, keep: str) -> ServedModel:
    return ServedModel(name, loader, keep=parse_keep(keep))


def _make_loader(configured: ConfiguredModel, source: ModelSource, home: Path) -> ModelLoader:
    engine = configured.settings.engine
    if engine not in (None, "auto", "forefront"):
        raise SourceError(f"{configured.name}: this version has no engine {engine}")

    return LocalLoader(
        PulledModels(home).locate(source),
        ModelCache(home),
        configured.options,
        _FilePuller(home),
        configured.chat_template,
        configured.settings.context_length,
    )


class _FilePuller:
    """Pulls the files of one model, and holds them as used from then on."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._use: ModelUse | None = None

    def __call__(self, source: ModelSource, progress: Progress) -> ModelSource:
        """The source with its files on this machine. Raises `SourceError`."""
        if source.remote is None:
            return source
        if (known := find_known(source.remote)) is not None:
            facts = (known.title, f"{known.parameters} parameters", known.licence, known.remark)
            log.info("%s is %s", source.name, ", ".join(filter(None, facts)))
        found, self._use = Puller(self._home, progress.download).find_source(source)
        return found


def make_catalog(
    configured: Sequence[ConfiguredModel], home: Path, settings: LoadingSettings, progress: Progress
) -> Catalog:
    """All models, and in it loaded: the first, those of the command line as far as there is memory, and those that are
    always kept. Raises `SourceError`."""
    models = [make_model(one, home) for one in configured]
    queue = LoadQueue(memory_limit(settings), settings.minimum_seconds)
    catalog = Catalog(models, queue)
    check_kept(models, queue.limit)
    # Models that are always kept first: the others get what is left.
    order = sorted(zip(models, configured, strict=True), key=lambda pair: not pair[0].pinned)
    for model, its_settings in order:
        if model.loaded is not None:
            continue
        required = model is models[0] or model.pinned
        if (required or its_settings.on_command_line) and not catalog.load_now(model, progress):
            if required:
                raise SourceError(no_room(model.name, model.memory_bytes, queue.limit, catalog.memory))
            log.warning("%s is loaded when it is requested: %s of memory are left", model.name, _left(catalog, queue))
    return catalog


def check_kept(models: Sequence[ServedModel], limit: float) -> None:
    """Raises `SourceError` if the models that are always kept do not fit together."""
    kept = [model for model in models if model.pinned]
    total = sum(model.memory_bytes for model in kept)
    if total > limit:
        names = ", ".join(model.name for model in kept)
        text = f'{names}: with keep = "always" they need {gibibytes(total)} of memory together, and models may take'
        raise SourceError(f"{text} {gibibytes(limit)} (`loading.memory_gib`)")


def _left(catalog: Catalog, queue: LoadQueue) -> str:
    return gibibytes(queue.limit - catalog.memory)
