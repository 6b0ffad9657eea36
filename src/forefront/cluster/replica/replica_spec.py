"""The settings of a model's replicas, as plain data that a deployment carries to each node."""

from pathlib import Path

import msgspec

from forefront.catalog.source import BUILT_IN_NAME, ModelSource, SourceError, find_source
from forefront.engine.model.model import ModelOptions


class ReplicaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model and how replicas run it.

    `source` is the name of the built-in model, a path that every node has, or a reference that each node pulls into its
    `home` (None: `FOREFRONT_HOME`). `weights`: the digest that the files must have, if it is known. `chat_template` is
    a text; None for the model's own. `grace_seconds`: see `ReplicaServer.drain`. `traces`: the endpoint of traces; None
    for that of the node's environment.
    """

    name: str
    source: str
    options: ModelOptions
    chat_template: str | None = None
    context_length: int | None = None
    weights: str | None = None
    home: str | None = None
    stall_seconds: float = 5.0
    grace_seconds: float = 30.0
    traces: str | None = None

    def model_source(self) -> ModelSource:
        """The model on this node. Raises `SourceError`."""
        source = find_source(self.source, self.name)
        if source.remote is None and self.source != BUILT_IN_NAME and not Path(self.source).is_absolute():
            raise SourceError(f"{self.source}: a model's path must be absolute to be the same on every node")
        return source
