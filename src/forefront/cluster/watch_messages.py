"""What the watcher sends to its server."""

import msgspec

from forefront.cluster.replica_identity import ReplicaAddress


class ModelReplicas(msgspec.Struct, frozen=True):
    """The running replicas of a model."""

    model: str
    replicas: list[ReplicaAddress]
