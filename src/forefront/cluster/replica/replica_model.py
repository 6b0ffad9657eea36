"""The loaded model of a replica: its engine, and the sizes that servers need."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final, Protocol

from forefront.chat.local.loading import EmbeddingEngineParts, EngineParts
from forefront.cluster.protocol.replica_identity import text_digest
from forefront.cluster.replica.constraint_builder import ConstraintBuilder
from forefront.cluster.replica.embedding_connection import EmbeddingService
from forefront.cluster.replica.generation_connection import GenerationService
from forefront.cluster.replica.replica_server import ReplicaService
from forefront.cluster.routing.replica_state import ReplicaLoad
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.errors import EngineError
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.fairness.tenant import Tenant
from forefront.observability.tracing import Tracer

# No project can have this name.
_PROBE: Final = Tenant("\0replica")
# An embedding model reads a whole sequence in one pass, which takes long on a CPU.
_EMBEDDING_PASS_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """The fields of `ReplicaIdentity` of those names. `pass_seconds`: the longest time between two steps of a working
    engine."""

    text: str
    context_limit: int
    vocabulary_size: int
    block_size: int
    slots: int
    width: int = 0
    ranks: bool = False
    pass_seconds: float = 0.0


class ReplicaModel(Protocol):
    """A loaded model. Call `start` first and `stop` last."""

    def start(self) -> None:
        """Start the engine, on the running event loop."""

    async def check(self) -> None:
        """Return once the engine has computed something. Raises `EngineError`."""

    def service(self, tracer: Tracer | None) -> ReplicaService:
        """The service for servers."""

    def sizes(self) -> ModelSizes:
        """The sizes of the model."""

    async def stop(self) -> None:
        """Stop the engine and free the model."""


class GeneratingModel:
    """A `ReplicaModel` that generates tokens."""

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def start(self) -> None:
        """See `ReplicaModel.start`."""
        self._parts.engine.start()

    async def check(self) -> None:
        """See `ReplicaModel.check`."""
        request = GenerateRequest([0], 1, SamplingParams(temperature=0), tenant=_PROBE)
        async for _ in self._parts.engine.submit(request):
            pass

    def service(self, tracer: Tracer | None) -> ReplicaService:
        """See `ReplicaModel.service`."""
        parts = self._parts
        constraints = ConstraintBuilder(parts.grammars, parts.end_tokens, parts.engine.vocabulary_size)
        return GenerationService(parts.engine, constraints, tracer)

    def sizes(self) -> ModelSizes:
        """See `ReplicaModel.sizes`."""
        parts, engine = self._parts, self._parts.engine
        return ModelSizes(
            text=text_digest(parts.tokenizer, parts.end_tokens),
            context_limit=engine.context_limit,
            vocabulary_size=engine.vocabulary_size,
            block_size=parts.model.block_size,
            slots=engine.max_running,
        )

    async def stop(self) -> None:
        """See `ReplicaModel.stop`."""
        with contextlib.suppress(EngineError):
            await self._parts.engine.stop()
        for model in (self._parts.model, self._parts.draft):
            if model is not None:
                await asyncio.to_thread(model.close)


class VectorModel:
    """A `ReplicaModel` that computes vectors."""

    def __init__(self, parts: EmbeddingEngineParts) -> None:
        self._parts = parts

    def start(self) -> None:
        """See `ReplicaModel.start`."""
        self._parts.engine.start()

    async def check(self) -> None:
        """See `ReplicaModel.check`."""
        await self._parts.engine.vectors([EmbeddingInput([0])], _PROBE)

    def service(self, tracer: Tracer | None) -> ReplicaService:
        """See `ReplicaModel.service`."""
        return EmbeddingService(self._parts.engine, "rank" if self._parts.shape.ranks else "embed", tracer)

    def sizes(self) -> ModelSizes:
        """See `ReplicaModel.sizes`."""
        shape = self._parts.shape
        return ModelSizes(
            text=text_digest(self._parts.tokenizer, ()),
            context_limit=shape.context_length,
            vocabulary_size=shape.vocabulary_size,
            block_size=1,
            slots=ReplicaLoad().slots,
            width=shape.width,
            ranks=shape.ranks,
            pass_seconds=_EMBEDDING_PASS_SECONDS,
        )

    async def stop(self) -> None:
        """See `ReplicaModel.stop`."""
        await self._parts.engine.stop()


def replica_model(parts: EngineParts | EmbeddingEngineParts) -> ReplicaModel:
    """The model of these parts."""
    return VectorModel(parts) if isinstance(parts, EmbeddingEngineParts) else GeneratingModel(parts)
