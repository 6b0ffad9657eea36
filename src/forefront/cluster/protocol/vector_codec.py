"""Sequences and their vectors as messages."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from forefront.cluster.protocol.frames import Embed, InputTokens, Vectors
from forefront.cluster.protocol.token_codec import pack_tokens, unpack_tokens
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.fairness.tenant import Tenant

Floats = npt.NDArray[np.float32]


def pack_inputs(number: int, inputs: Sequence[EmbeddingInput], tenant: Tenant, trace: dict[str, str]) -> Embed:
    """The message that requests the vectors of `inputs`. `trace`: see `Submit`."""
    packed = [InputTokens(pack_tokens(entry.tokens), entry.second_segment) for entry in inputs]
    return Embed(number, packed, tenant.name, tenant.weight, trace)


def unpack_inputs(message: Embed) -> list[EmbeddingInput]:
    """The sequences of a message. Raises `ValueError` for one without tokens."""
    inputs = [EmbeddingInput(unpack_tokens(entry.tokens), entry.second_segment) for entry in message.inputs]
    if not inputs or not all(entry.tokens for entry in inputs):
        raise ValueError("a sequence has no tokens")
    return inputs


def pack_vectors(number: int, vectors: Sequence[Floats]) -> Vectors:
    """The message with the vectors, all of the same width."""
    return Vectors(number, len(vectors[0]), np.stack(vectors).astype("<f4").tobytes())


def unpack_vectors(message: Vectors) -> list[Floats]:
    """The vectors of a message. Raises `ValueError` for a length that does not fit."""
    flat = np.frombuffer(message.values, "<f4").astype(np.float32)
    return list(flat.reshape(-1, message.width))
