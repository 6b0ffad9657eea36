"""A part of an embedding request on replicas: sequences that get their vectors together."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from forefront.cluster.backend.dispatching.remote_request import RemoteRequest
from forefront.cluster.protocol.frames import Embed
from forefront.cluster.protocol.vector_codec import Floats, pack_inputs
from forefront.cluster.routing.router import Placement, PrefixRouter
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.errors import EngineError
from forefront.fairness.tenant import Tenant
from forefront.observability.trace_context import trace_headers

# Tokens and sequences of a part, at most, unless one sequence has more tokens: a few passes of the engine.
_PART_TOKENS: Final = 8192
_PART_SEQUENCES: Final = 64


class EmbeddingContext:
    """The values that all parts of a request share. All get their vectors from replicas of the first part's
    `fingerprint`: vectors of different models cannot be compared."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.fingerprint: str | None = None
        self.trace = trace_headers()


class EmbeddingPart(RemoteRequest):
    """Some sequences of a request, of `work` tokens together."""

    def __init__(self, context: EmbeddingContext, inputs: Sequence[EmbeddingInput]) -> None:
        super().__init__()
        self.context, self.inputs = context, inputs
        self.work = sum(len(entry.tokens) for entry in inputs)
        self.vectors: asyncio.Future[list[Floats]] = asyncio.get_running_loop().create_future()

    def choose(self, router: PrefixRouter) -> Placement:
        """See `RemoteRequest.choose`: by load."""
        return router.place_by_load(self.work, self.context.tenant, self.context.fingerprint)

    def message(self, placement: Placement) -> Embed:
        """See `RemoteRequest.message`."""
        context = self.context
        context.fingerprint = placement.replica.fingerprint
        return pack_inputs(self.number, self.inputs, context.tenant, context.trace)

    def fail(self, error: EngineError) -> None:
        """See `RemoteRequest.fail`."""
        if not self.vectors.done():
            self.vectors.set_exception(error)


def split_inputs(inputs: Sequence[EmbeddingInput]) -> Iterator[Sequence[EmbeddingInput]]:
    """The sequences in parts, in order."""
    begin = tokens = 0
    for index, entry in enumerate(inputs):
        full = tokens + len(entry.tokens) > _PART_TOKENS or index - begin >= _PART_SEQUENCES
        if full and index > begin:
            yield inputs[begin:index]
            begin, tokens = index, 0
        tokens += len(entry.tokens)
    yield inputs[begin:]
