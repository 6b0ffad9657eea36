"""Loads a model of a cluster: its text side from files on this machine, its identity from a running replica."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forefront.catalog.loaders.local_loader import ModelText, read_text
from forefront.catalog.loading.loaded_model import Build, LoadedModel, LoadEstimate, Progress
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.chat.local.loading import LoadError, create_preparer, find_end_tokens
from forefront.cluster.backend.cluster_backend import ClusterBackend, ClusterEmbeddingBackend
from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.remote_embedding_engine import RemoteEmbeddingEngine
from forefront.cluster.backend.remote_engine import RemoteEngine
from forefront.cluster.discovery.cluster_watch import ClusterWatch, DiscoveryError, ModelWatch
from forefront.cluster.protocol.connection_security import InsecureClusterError, client_context
from forefront.cluster.protocol.replica_identity import ReplicaIdentity, text_digest
from forefront.engine.embedding.embedding_model import EmbeddingShape

# Tokenizer and grammars, measured with vocabularies of 32,000 to 150,000 tokens.
_MEMORY_BYTES: Final = 128 * 2**20


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Values that all models of a server share: the cluster and the limits of `[ray]`."""

    watch: ClusterWatch
    limits: RemoteLimits


@dataclass(frozen=True, slots=True)
class ClusterLoader:
    """A `ModelLoader`. `fetch` returns the source with its files on this machine. `scales_to_zero`: the model may have
    no replica."""

    source: ModelSource
    cache: ModelCache
    cluster: ClusterAccess
    fetch: Callable[[ModelSource, Progress], ModelSource]
    chat_template: str | None = None
    context_length: int | None = None
    scales_to_zero: bool = False

    def estimate(self) -> LoadEstimate:
        """See `ModelLoader.estimate`."""
        return LoadEstimate(_MEMORY_BYTES)

    def load(self, progress: Progress) -> LoadedModel:
        """See `ModelLoader.load`."""
        name, watch, limits = self.source.name, self.cluster.watch, self.cluster.limits
        source = self.fetch(self.source, progress)
        with progress.step(f"Reading the tokenizer of {name}"):
            text = read_text(source, self.cache, self.context_length)
        try:
            with progress.step(f"Waiting for a replica of {name}"):
                found = watch.wait(name, limits.start_seconds)
            # The newest version is last.
            identity = found[-1].identity
            backend = self._backend(text, identity, source)
        except (DiscoveryError, InsecureClusterError, LoadError) as error:
            raise SourceError(f"{name}: {error}") from None
        build = Build(identity.weights, identity.quantization, identity.engine)
        return LoadedModel(backend, identity.created, identity.fingerprint, build, _MEMORY_BYTES)

    def _backend(
        self, text: ModelText, identity: ReplicaIdentity, source: ModelSource
    ) -> ClusterBackend | ClusterEmbeddingBackend:
        """The backend of replicas like the one of `identity`. Raises `SourceError`, `LoadError`, and
        `InsecureClusterError`."""
        name, watch, limits = self.source.name, self.cluster.watch, self.cluster.limits
        tokenizer, named, size = text.tokenizer, text.facts.end_tokens, identity.vocabulary_size
        embedding, end_tokens = text.embedding, frozenset[int]()
        if embedding is None:
            end_tokens = find_end_tokens(tokenizer, self.chat_template, named, size)
        digest = text_digest(tokenizer, end_tokens)
        if digest != identity.text or (embedding is None) != (identity.width == 0):
            reason = "its tokenizer or its chat template differs from that of the cluster's replicas"
            raise SourceError(f"{source.path}: {reason}: deploy it again with `forefront cluster up`")
        model = RemoteModel(identity.context_limit, size, digest, identity.width)
        tls, discovery = client_context(os.environ), ModelWatch(watch, name)
        if embedding is not None:
            vectors = RemoteEmbeddingEngine(model, limits, discovery, tls)
            shape = EmbeddingShape(identity.context_limit, size, identity.width, identity.ranks)
            return ClusterEmbeddingBackend(vectors, shape, tokenizer, embedding, scales_to_zero=self.scales_to_zero)
        engine = RemoteEngine(model, limits, discovery, tls)
        preparer = create_preparer(engine, tokenizer, self.chat_template, named)
        return ClusterBackend(engine, preparer, scales_to_zero=self.scales_to_zero)
