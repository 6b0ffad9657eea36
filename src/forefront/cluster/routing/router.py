"""The interface of the choice of replicas, and the simplest choice."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from forefront.cluster.routing.replica_state import ReplicaState


class Router(Protocol):
    """Chooses the replica of each generation of one model. One for each server and model, on the event loop.

    It knows what its own server did and what heartbeats report. `keys` are the hashes of the prompt's full KV blocks
    (`engine/scheduling/block_pool.py`), salted by tenant, in order; none for a prompt shorter than a block.
    """

    def choose(self, keys: Sequence[bytes], tokens: int, replicas: Sequence[ReplicaState]) -> ReplicaState:
        """The replica for a prompt of `tokens` tokens, out of `replicas` (at least one), none of which is draining.

        `replicas` have the fingerprint that the generation needs, and are never those that it has just left.
        """

    def began(self, replica: ReplicaState, keys: Sequence[bytes], tokens: int) -> None:
        """A generation was sent to `replica`. Once computed, its prompt is cached there. `tokens`: see `choose`."""

    def ended(self, replica: ReplicaState, keys: Sequence[bytes], tokens: int) -> None:
        """That generation has ended there, in any way. `keys` and `tokens` as for `began`."""

    def forget(self, replica: str) -> None:
        """The replica of that name is gone, or has lost its cache."""


class LeastLoadedRouter:
    """Chooses the replica with the fewest sequences."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    def choose(self, keys: Sequence[bytes], tokens: int, replicas: Sequence[ReplicaState]) -> ReplicaState:  # noqa: ARG002
        """See `Router.choose`."""
        return min(replicas, key=lambda it: max(self._running[it.name], it.load.running + it.load.waiting))

    def began(self, replica: ReplicaState, keys: Sequence[bytes], tokens: int) -> None:  # noqa: ARG002
        """See `Router.began`."""
        self._running[replica.name] += 1

    def ended(self, replica: ReplicaState, keys: Sequence[bytes], tokens: int) -> None:  # noqa: ARG002
        """See `Router.ended`."""
        self._running[replica.name] -= 1

    def forget(self, replica: str) -> None:
        """See `Router.forget`."""
        del self._running[replica]
