"""A replica: load the model → start its engine → serve it. It knows nothing of Ray."""

import asyncio
import os
import secrets
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from forefront.catalog.loaders.local_loader import LoadedEngine, load_draft, load_token_engine, weights_digest
from forefront.catalog.model_cache import ModelCache, default_home
from forefront.catalog.pull.pull import Puller
from forefront.catalog.pull.pulled_models import ModelLock, PulledModels
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.cluster.protocol.frames import PROTOCOL
from forefront.cluster.protocol.replica_identity import ReplicaIdentity
from forefront.cluster.replica.replica_model import ReplicaModel, replica_model
from forefront.cluster.replica.replica_server import ReplicaServer
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.observability.tracer_choice import choose_tracer
from forefront.observability.tracing import Tracer

_PROBE_SECONDS: Final = 120.0


class _Silent:
    """A `Progress` of a process without a terminal."""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:  # noqa: ARG002
        """See `Progress.step`."""
        yield

    @contextmanager
    def download(self, title: str, size: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """See `Progress.download`."""
        yield lambda _count: None


class RunningReplica:
    """A replica of this process. `start` starts it and sets `identity`, which is then published."""

    def __init__(self, spec: ReplicaSpec) -> None:
        self.identity: ReplicaIdentity
        self._spec = spec
        self._model: ReplicaModel
        self._uses: list[ModelLock | None] = []
        self._tracer: Tracer | None = None
        self.server: ReplicaServer

    async def start(self, host: str, tls: ssl.SSLContext | None = None) -> None:
        """Load the model and listen on `host`. Raises `SourceError`, and `EngineError` for a model that computes
        nothing."""
        spec = self._spec
        loaded, self._uses = await asyncio.to_thread(load_replica, spec)
        self._model = model = replica_model(loaded.parts)
        sizes, secret = model.sizes(), secrets.token_bytes(32)
        model.start()
        await asyncio.wait_for(model.check(), _PROBE_SECONDS)
        self._tracer = choose_tracer(spec.traces, os.environ)
        self.server = ReplicaServer(model.service(self._tracer), secret, sizes.slots, sizes.pass_seconds)
        port = await self.server.start(host, tls)
        self.identity = ReplicaIdentity(
            protocol=PROTOCOL,
            host=host,
            port=port,
            secret=secret.hex(),
            fingerprint=loaded.fingerprint,
            weights=loaded.build.weights,
            quantization=loaded.build.quantization,
            engine=loaded.build.engine,
            created=loaded.created,
            text=sizes.text,
            context_limit=sizes.context_limit,
            vocabulary_size=sizes.vocabulary_size,
            block_size=sizes.block_size,
            slots=sizes.slots,
            width=sizes.width,
            ranks=sizes.ranks,
        )

    def healthy(self) -> bool:
        """Whether the engine makes progress, or has nothing to do."""
        return self.server.stalled() < max(4 * self._spec.stall_seconds, 20.0)

    async def drain(self) -> None:
        """Return once all requests have ended or moved."""
        await self.server.drain(self._spec.grace_seconds)

    async def stop(self) -> None:
        """End the replica."""
        await self.server.stop()
        await self._model.stop()
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)


def load_replica(spec: ReplicaSpec) -> tuple[LoadedEngine, list[ModelLock | None]]:
    """Load a replica's engine, with its files pulled to this node if need be; they are in use as long as the locks
    exist. Raises `SourceError`, also for files whose digest is not that of the deployment."""
    home = default_home() if spec.home is None else Path(spec.home)
    files = _NodeFiles(home)
    draft = None
    if (draft_source := spec.draft_source()) is not None:
        draft_source = files.pull(draft_source)
        if spec.draft_weights is not None:
            _check_digest(draft_source, weights_digest(draft_source, files.cache), spec.draft_weights)
        draft = load_draft(draft_source, files.cache, spec.options, files.progress)
    source = files.pull(spec.model_source())
    loaded = load_token_engine(
        source, files.cache, spec.options, files.progress, spec.chat_template, spec.context_length, draft
    )
    if spec.weights is not None:
        _check_digest(source, loaded.build.weights, spec.weights)
    return loaded, files.uses


class _NodeFiles:
    """The files of models on this node. `uses` keep the pulled ones."""

    def __init__(self, home: Path) -> None:
        self.cache, self.progress = ModelCache(home), _Silent()
        self.uses: list[ModelLock | None] = []
        self._home = home

    def pull(self, source: ModelSource) -> ModelSource:
        """The source with its files on this node. Raises `SourceError`."""
        found, use = Puller(self._home, self.progress.download).find_source(PulledModels(self._home).locate(source))
        self.uses.append(use)
        return found


def _check_digest(source: ModelSource, found: str, wanted: str) -> None:
    """Raises `SourceError`."""
    if found != wanted:
        text = f"its digest is {found} on this node, and {wanted} where the model was deployed"
        raise SourceError(f"{source.path}: {text}")
