"""The models of a server whose tokens are generated on a cluster. Nothing here imports Ray."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from forefront.catalog.catalog import Catalog
from forefront.catalog.loaders.local_loader import check_files, weights_digest
from forefront.catalog.loading.loaded_model import ModelLoader, Progress
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.pulled_models import PulledModels
from forefront.catalog.sources.source import (
    BUILT_IN_NAME,
    BUILT_IN_PATH,
    ModelSource,
    SourceError,
    find_source,
    reference_text,
)
from forefront.cli.settings.errors import ConfigError
from forefront.cli.settings.model_list import ConfiguredModel
from forefront.cli.settings.sections import QueueSettings, RayModelSettings, RaySettings
from forefront.cluster.backend.cluster_backend import ClusterBackend, ClusterEmbeddingBackend
from forefront.cluster.backend.cluster_loader import ClusterAccess, ClusterLoader
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.deployment.local_cluster import find_local
from forefront.cluster.deployment.ray_environment import ray_environment
from forefront.cluster.discovery.cluster_watch import ClusterWatch
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.gateway.gateway import Gateway

RAY_IS_MISSING: Final = "Ray is not installed: pip install 'forefront[server,ray]'"
_CAPACITY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class ClusterModels:
    """Makes the loaders of a server's models."""

    access: ClusterAccess
    settings: RaySettings

    def loader(
        self,
        configured: ConfiguredModel,
        source: ModelSource,
        cache: ModelCache,
        fetch: Callable[[ModelSource, Progress], ModelSource],
    ) -> ModelLoader:
        """The loader of one model. Raises `SourceError` for a model or an engine that replicas do not run."""
        _check_engine(configured)
        if source.remote is None:
            check_files(source, cache)
        minimum, _ = model_settings(self.settings, configured.name).replicas.bounds
        template, context = configured.chat_template, configured.settings.context_length
        return ClusterLoader(source, cache, self.access, fetch, template, context, scales_to_zero=minimum == 0)


def model_settings(settings: RaySettings, name: str) -> RayModelSettings:
    """The replicas of a model."""
    return settings.models.get(name, RayModelSettings())


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests that the files of a model and of its draft model must have on each node. None for files that each
    node pulls."""

    model: str | None = None
    draft: str | None = None


def read_digests(configured: ConfiguredModel, home: Path) -> Digests:
    """The digests of a model's files on this machine. Raises `SourceError`."""
    assert configured.source is not None
    draft = configured.options.draft
    return Digests(_digest(configured.source, home), _digest(find_source(draft), home) if draft else None)


def _digest(source: ModelSource, home: Path) -> str | None:
    located = PulledModels(home).locate(source)
    return None if located.remote is not None else weights_digest(located, ModelCache(home))


def replica_spec(
    configured: ConfiguredModel, settings: RaySettings, weights: Digests, traces: str | None = None
) -> ReplicaSpec:
    """What the replicas of a model run. `traces`: the endpoint of traces. Raises `SourceError`."""
    _check_engine(configured)
    assert configured.source is not None
    ray_settings, source = model_settings(settings, configured.name), configured.source
    options = configured.options
    if ray_settings.kv_cache_gib is not None:
        options = replace(options, kv_cache_bytes=int(ray_settings.kv_cache_gib * 2**30))
    if not options.threads:
        # The number of CPUs that the replica reserves on its node.
        options = replace(options, threads=max(1, int(ray_settings.cpus)))
    if options.draft:
        options = replace(options, draft=_node_text(find_source(options.draft)))
    return ReplicaSpec(
        name=configured.name,
        source=_node_text(source),
        options=options,
        chat_template=configured.chat_template,
        context_length=configured.settings.context_length,
        weights=weights.model,
        draft_weights=weights.draft,
        stall_seconds=settings.stall_seconds,
        grace_seconds=settings.grace_seconds,
        traces=traces,
    )


def _node_text(source: ModelSource) -> str:
    """The text by which a node finds a model."""
    if source.path == BUILT_IN_PATH:
        return BUILT_IN_NAME
    return str(source.path) if source.remote is None else reference_text(source.remote)


def find_cluster(address: str, home: Path) -> tuple[str, Mapping[str, str]]:
    """The address of a cluster, and the variables of the processes that connect. `auto` is the cluster that `forefront
    cluster up --local` has started, or else Ray's own choice."""
    local = find_local(home)
    if local is not None and address in ("auto", local.address):
        return local.address, ray_environment(os.environ) | local.environment()
    return address, ray_environment(os.environ)


@contextmanager
def open_cluster(
    settings: RaySettings, models: Sequence[ConfiguredModel], home: Path
) -> Iterator[ClusterModels | None]:
    """The cluster of `[ray]`, or None without an address. Raises `ConfigError` without Ray."""
    if settings.address is None:
        yield None
        return
    if find_spec("ray") is None:
        raise ConfigError(RAY_IS_MISSING)
    address, environment = find_cluster(settings.address, home)
    names = [model.name for model in models if model.source is not None]
    watch = ClusterWatch(address, names, environment)
    limits = RemoteLimits(settings.migrations, settings.stall_seconds, settings.start_seconds)
    watch.start()
    try:
        yield ClusterModels(ClusterAccess(watch, limits), settings)
    finally:
        watch.stop()


async def follow_capacity(catalog: Catalog, gateway: Gateway, queue: QueueSettings) -> None:
    """Let the admission queue admit as many requests at once as the replicas can run. Runs until it is cancelled."""
    while True:
        backends = [model.backend for model in catalog.loaded()]
        kinds = (ClusterBackend, ClusterEmbeddingBackend)
        capacity = sum(backend.on_cluster.capacity() for backend in backends if isinstance(backend, kinds))
        gateway.queue.resize(max(queue.running, capacity), queue.waiting)
        await asyncio.sleep(_CAPACITY_SECONDS)


def _check_engine(configured: ConfiguredModel) -> None:
    if configured.engine not in ("auto", "forefront"):
        raise SourceError(f"{configured.name}: replicas on a cluster do not run the engine {configured.engine}")
