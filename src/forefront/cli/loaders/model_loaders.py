"""From the settings of models to the models of the catalogue: the place where each kind of model gets its loader.

Loaders of kinds that few servers have are imported where they are used, which shortens a start.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.catalog.loaders.automatic_loader import AutomaticLoader
from forefront.catalog.loaders.local_loader import LocalLoader
from forefront.catalog.loading.load_queue import LoadQueue
from forefront.catalog.loading.loaded_model import ModelLoader, Progress
from forefront.catalog.loading.model_memory import gibibytes, no_room
from forefront.catalog.machine.memory import machine_memory
from forefront.catalog.machine.process_memory import anonymous_memory
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.pulled_models import ModelLock, PulledModels
from forefront.catalog.sources.model_settings import parse_keep
from forefront.catalog.sources.source import ModelSource, SourceError, find_known, find_source
from forefront.chat.local.loading import DRAFT_KV_SHARE
from forefront.cli.settings.model_list import ConfiguredModel
from forefront.cli.settings.sections import LoadingSettings

if TYPE_CHECKING:
    from forefront.cli.loaders.cluster_models import ClusterModels

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


def make_model(configured: ConfiguredModel, home: Path, cluster: "ClusterModels | None" = None) -> ServedModel:
    """The model, not loaded yet, with its estimated size. One with an upstream has nothing to load. With a `cluster`,
    its tokens are generated there.

    Reads its files. Raises `SourceError`, and `ConfigError` for an upstream.
    """
    fallback = configured.settings.fallback or ()
    if configured.source is None:
        from forefront.cli.loaders.upstream_model import load_upstream

        return ServedModel.permanent(configured.name, load_upstream(configured.name, configured.settings), fallback)
    if cluster is None:
        loader = _make_loader(configured, configured.source, home)
    else:
        source = PulledModels(home).locate(configured.source)
        loader = cluster.loader(configured, source, ModelCache(home), _FilePuller(home))
    keep = configured.settings.keep
    model = ServedModel(configured.name, loader, keep=math.inf if keep is None else parse_keep(keep), fallback=fallback)
    model.estimate = loader.estimate()
    model.memory_bytes = model.estimate.memory_bytes
    return model


def _make_loader(configured: ConfiguredModel, source: ModelSource, home: Path) -> ModelLoader:
    source, fetch_files = PulledModels(home).locate(source), _FilePuller(home)
    cache, options = ModelCache(home), configured.options
    template, settings = configured.chat_template, configured.settings
    arguments = tuple(settings.engine_args or ())
    if configured.engine in ("vllm", "sglang"):
        from forefront.catalog.loaders.gpu_server_loader import GpuServerLoader
        from forefront.managed_engines.gpu_servers import SGLANG, VLLM

        if template is not None:
            raise SourceError(f"{configured.name}: {configured.engine} takes a chat template in `engine_args`")
        server = VLLM if configured.engine == "vllm" else SGLANG
        return GpuServerLoader(server, source, cache, fetch_files, settings.context_length, arguments)
    draft = None
    if options.draft:
        draft_source = PulledModels(home).locate(find_source(options.draft))
        room = options.kv_cache_bytes // DRAFT_KV_SHARE
        draft = LocalLoader(draft_source, cache, replace(options, draft="", kv_cache_bytes=room), _FilePuller(home))

    def llama_cpp(source: ModelSource) -> ModelLoader:
        from forefront.catalog.loaders.llama_cpp_loader import LlamaCppLoader

        return LlamaCppLoader(source, cache, options, fetch_files, template, settings.context_length, arguments)

    if configured.engine == "llama.cpp":
        return llama_cpp(source)
    local = LocalLoader(source, cache, options, fetch_files, template, settings.context_length, draft)
    return AutomaticLoader(local, llama_cpp) if configured.engine == "auto" else local


class _FilePuller:
    """Pulls the files of one model, and holds them as used from then on."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._use: ModelLock | None = None
        self._described = False

    def __call__(self, source: ModelSource, progress: Progress) -> ModelSource:
        """The source with its files on this machine. Raises `SourceError`."""
        if source.remote is None:
            return source
        if not self._described and (known := find_known(source.remote)) is not None:
            self._described = True  # two loaders ask for the files of one load
            facts = (known.title, f"{known.parameters} parameters", known.licence, known.remark)
            log.info("%s is %s", source.name, ", ".join(filter(None, facts)))
        from forefront.catalog.pull.pull import Puller

        found, self._use = Puller(self._home, progress.download).find_source(source)
        return found


def make_catalog(
    configured: Sequence[ConfiguredModel],
    home: Path,
    settings: LoadingSettings,
    progress: Progress,
    cluster: "ClusterModels | None" = None,
) -> Catalog:
    """All models. Those that are always kept, the first, and those of the command line for which there is memory are
    loaded. Raises `SourceError`."""
    models = [make_model(entry, home, cluster) for entry in configured]
    limit = memory_limit(settings)
    catalog = Catalog(models, LoadQueue(limit, settings.minimum_seconds, memory=anonymous_memory))
    check_kept(models, limit)
    # Models that are always kept first: the others get the rest.
    for model, its_settings in sorted(zip(models, configured, strict=True), key=lambda pair: not pair[0].pinned):
        is_first = model is models[0]
        if model.loaded is not None or not (is_first or model.pinned or its_settings.on_command_line):
            continue
        if catalog.memory + model.memory_bytes > limit:
            text = no_room(model.name, model.memory_bytes, limit, catalog.memory)
            if is_first and settings.memory_gib is not None:
                raise SourceError(text)
            log.warning("%s", text if is_first else f"{text}; it is loaded when it is requested")
            if not is_first:
                continue
        catalog.load_now(model, progress)
    return catalog


def check_kept(models: Sequence[ServedModel], limit: float) -> None:
    """Raises `SourceError` if the models that are always kept do not fit together."""
    kept = [model for model in models if model.pinned]
    total = sum(model.memory_bytes for model in kept)
    if total > limit:
        names = ", ".join(model.name for model in kept)
        text = f'{names}: with keep = "always" they need {gibibytes(total)} of memory together, and models may take'
        raise SourceError(f"{text} {gibibytes(limit)} (`loading.memory_gib`)")
