"""The messages of the watcher to its server."""

import msgspec

from forefront.cluster.protocol.replica_identity import ReplicaAddress


class ModelReplicas(msgspec.Struct, frozen=True, tag=True):
    """The running replicas of a model."""

    model: str
    replicas: list[ReplicaAddress]


class WatchFailure(msgspec.Struct, frozen=True, tag=True):
    """The cluster cannot be watched. `text` is the reason."""

    text: str


WatchMessage = ModelReplicas | WatchFailure
