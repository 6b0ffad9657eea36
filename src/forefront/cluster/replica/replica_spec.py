"""The settings of a model's replicas, as plain data that a deployment carries to each node."""

from pathlib import Path

import msgspec

from forefront.catalog.sources.source import BUILT_IN_NAME, ModelSource, SourceError, find_source
from forefront.engine.model.model import ModelOptions


class ReplicaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model and how replicas run it.

    `source` is the name of the built-in model, a path that every node has, or a reference that each node pulls into its
    `home` (None: `FOREFRONT_HOME`); so is `options.draft`, that of a draft model. `weights` and `draft_weights`: the
    required digests of the files, if known. `chat_template` is a text; None for the model's own. `grace_seconds`: see
    `ReplicaServer.drain`. `traces`: the endpoint of traces; None for that of the node's environment.
    """

    name: str
    source: str
    options: ModelOptions
    chat_template: str | None = None
    context_length: int | None = None
    weights: str | None = None
    draft_weights: str | None = None
    home: str | None = None
    stall_seconds: float = 5.0
    grace_seconds: float = 30.0
    traces: str | None = None

    def model_source(self) -> ModelSource:
        """The model on this node. Raises `SourceError`."""
        return _node_source(self.source, self.name)

    def draft_source(self) -> ModelSource | None:
        """The draft model on this node, if there is one. Raises `SourceError`."""
        return _node_source(self.options.draft) if self.options.draft else None


def _node_source(text: str, name: str = "") -> ModelSource:
    source = find_source(text, name)
    if source.remote is None and text != BUILT_IN_NAME and not Path(text).is_absolute():
        raise SourceError(f"{text}: a model's path must be absolute to be the same on every node")
    return source
