"""A replica: load the model → start its engine → serve it. It knows nothing of Ray."""

import asyncio
import contextlib
import os
import secrets
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from forefront.catalog.loaders.local_loader import LoadedEngine, load_token_engine
from forefront.catalog.model_cache import ModelCache, default_home
from forefront.catalog.pull.pull import Puller
from forefront.catalog.pull.records import ModelLock, PulledModels
from forefront.catalog.source import SourceError
from forefront.cluster.protocol.frames import PROTOCOL
from forefront.cluster.protocol.replica_identity import ReplicaIdentity, text_digest
from forefront.cluster.replica.constraint_builder import ConstraintBuilder
from forefront.cluster.replica.replica_server import ReplicaServer
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.engine.errors import EngineError
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.fairness.tenant import Tenant
from forefront.observability.tracer_choice import choose_tracer
from forefront.observability.tracing import Tracer

# No project can have this name.
_PROBE: Final = Tenant("\0replica")
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
    """A replica of this process. `start` begins it; Its `identity` is published then."""

    def __init__(self, spec: ReplicaSpec) -> None:
        self.identity: ReplicaIdentity
        self._spec = spec
        self._loaded: LoadedEngine
        self._use: ModelLock | None = None
        self._tracer: Tracer | None = None
        self.server: ReplicaServer

    async def start(self, host: str, tls: ssl.SSLContext | None = None) -> None:
        """Load the model and listen on `host`. Raises `SourceError`, and `EngineError` for a model that generates
        nothing."""
        spec = self._spec
        loaded, self._use = await asyncio.to_thread(load_replica, spec)
        self._loaded = loaded
        parts, secret = loaded.parts, secrets.token_bytes(32)
        engine, slots = parts.engine, parts.engine.max_running
        engine.start()
        await asyncio.wait_for(self.check(), _PROBE_SECONDS)
        constraints = ConstraintBuilder(parts.grammars, parts.end_tokens, engine.vocabulary_size)
        self._tracer = choose_tracer(spec.traces, os.environ)
        self.server = ReplicaServer(engine, constraints, secret, slots, self._tracer)
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
            text=text_digest(parts.tokenizer, parts.end_tokens),
            context_limit=engine.context_limit,
            vocabulary_size=engine.vocabulary_size,
            block_size=parts.model.block_size,
            slots=slots,
        )

    async def check(self) -> None:
        """Return once the engine has generated a token. Raises `EngineError`."""
        request = GenerateRequest([0], 1, SamplingParams(temperature=0), tenant=_PROBE)
        async for _ in self._loaded.parts.engine.submit(request):
            pass

    def healthy(self) -> bool:
        """Whether the engine makes progress, or has nothing to do."""
        return self.server.stalled() < max(4 * self._spec.stall_seconds, 20.0)

    async def drain(self) -> None:
        """Return once all generations have ended or moved."""
        await self.server.drain(self._spec.grace_seconds)

    async def stop(self) -> None:
        """End the replica."""
        await self.server.stop()
        with contextlib.suppress(EngineError):
            await self._loaded.parts.engine.stop()
        await asyncio.to_thread(self._loaded.parts.model.close)
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)


def load_replica(spec: ReplicaSpec) -> tuple[LoadedEngine, ModelLock | None]:
    """Load a replica's engine, with its files pulled to this node if need be; they are in use as long as the second
    value exists. Raises `SourceError`, also for files whose digest is not that of the deployment."""
    home = default_home() if spec.home is None else Path(spec.home)
    progress = _Silent()
    source, use = Puller(home, progress.download).find_source(PulledModels(home).locate(spec.model_source()))
    loaded = load_token_engine(
        source, ModelCache(home), spec.options, progress, spec.chat_template, spec.context_length
    )
    if spec.weights is not None and loaded.build.weights != spec.weights:
        text = f"its digest is {loaded.build.weights} on this node, and {spec.weights} where the model was deployed"
        raise SourceError(f"{source.path}: {text}")
    return loaded, use
