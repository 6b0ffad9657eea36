"""The interface of the number of replicas of a model."""

from collections.abc import Sequence
from typing import Protocol

from forefront.cluster.routing.replica_state import ReplicaLoad


class ScalingPolicy(Protocol):
    """Decides how many replicas one model has. It runs in Ray Serve's controller, about once a second.

    It keeps what it must remember between calls, and may be created again at any time, without that memory.
    """

    def target(self, now: float, current: int, loads: Sequence[ReplicaLoad], waiting: int) -> int:
        """The wanted number of replicas. `now`: monotonic seconds. `current`: replicas that run or start. `loads`: of
        those that report. `waiting`: requests in servers that have found no replica at all."""
