"""The drafts of a model's replicas, as counters of this server."""

from dataclasses import dataclass

from forefront.cluster.routing.replica_state import ReplicaLoad


@dataclass(slots=True)
class DraftCounters:
    """Counts for all servers since this server connected to each replica. The counts of ended replicas are kept.
    Fields: see `EngineStats`."""

    drafts: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0

    def add(self, before: ReplicaLoad, after: ReplicaLoad) -> None:
        """Add the drafts of a replica between two heartbeats."""
        self.drafts += after.drafts - before.drafts
        self.draft_tokens += after.draft_tokens - before.draft_tokens
        self.accepted_tokens += after.accepted_tokens - before.accepted_tokens
