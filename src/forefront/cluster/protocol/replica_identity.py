"""The identity of a replica, which it publishes through Ray."""

import hashlib
from collections.abc import Iterable

import msgspec

from forefront.tokenizer.tokenizer import Tokenizer


class ReplicaIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A replica's address, its secret (hexadecimal) and its model.

    `fingerprint`, `weights`, `quantization`, `engine`, `created`: see `catalog/loading/loaded_model.py`. `text`: see
    `text_digest`. Sizes are in tokens; `slots` are the sequences that run at once. `width`: the channels of a vector, 0
    for a model that generates text. `ranks`: the embedding model scores pairs of texts.
    """

    protocol: int
    host: str
    port: int
    secret: str
    fingerprint: str
    weights: str
    quantization: str
    engine: str
    created: int
    text: str
    context_limit: int
    vocabulary_size: int
    block_size: int
    slots: int
    width: int = 0
    ranks: bool = False

    def serves(self, text: str, context_limit: int, vocabulary_size: int, width: int) -> bool:
        """Whether its tokens and vectors have the same meaning as those of a server."""
        found = (self.text, self.context_limit, self.vocabulary_size, self.width)
        return found == (text, context_limit, vocabulary_size, width)


class ReplicaAddress(msgspec.Struct, frozen=True):
    """A running replica: its unique name, the node that it runs on, and its identity."""

    name: str
    node: str
    identity: ReplicaIdentity


def text_digest(tokenizer: Tokenizer, end_tokens: Iterable[int]) -> str:
    """A hash of the meaning of token ids. Servers and replicas with equal hashes are compatible."""
    parts = msgspec.msgpack.encode([list(tokenizer.pieces), sorted(tokenizer.control.items()), sorted(end_tokens)])
    return hashlib.sha256(parts).hexdigest()[:16]
