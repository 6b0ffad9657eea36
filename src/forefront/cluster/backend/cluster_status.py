"""A model's replicas, routing and moves for administrators."""

from typing import Literal

from forefront.cluster.backend.dispatching.dispatcher import MoveCounters
from forefront.cluster.routing.replica_table import RoutedReplica
from forefront.cluster.routing.router import PrefixRouter
from forefront.wire.admin.records import ClusterReplica, ClusterStatus, MoveCounts, RoutingCounts


def cluster_status(router: PrefixRouter, moves: MoveCounters) -> ClusterStatus:
    """The current state of a router's replicas, by node and name, and counts since the start."""
    counts = router.counts
    replicas = [_replica(replica) for replica in router.replicas()]
    return ClusterStatus(
        replicas=sorted(replicas, key=lambda replica: (replica.node, replica.name)),
        routing=RoutingCounts(
            prefix=counts.prefix,
            hash=counts.hash,
            load=counts.load,
            tokens=counts.tokens,
            known_tokens=counts.known_tokens,
        ),
        moves=MoveCounts(failures=moves.failures, drains=moves.drains, given_up=moves.given_up),
    )


def _replica(replica: RoutedReplica) -> ClusterReplica:
    state, load = replica.state, replica.state.load
    return ClusterReplica(
        name=state.name,
        node=state.node,
        state=_state(replica),
        fingerprint=state.fingerprint,
        running=load.running,
        waiting=load.waiting,
        slots=load.slots,
        requests=replica.requests,
        work=replica.work,
        blocks_held=load.blocks_held,
        blocks_total=load.blocks_total,
        drafts=load.drafts,
        draft_tokens=load.draft_tokens,
        accepted_tokens=load.accepted_tokens,
    )


def _state(replica: RoutedReplica) -> Literal["available", "draining", "lost"]:
    if replica.draining:
        return "draining"
    return "available" if replica.available else "lost"
