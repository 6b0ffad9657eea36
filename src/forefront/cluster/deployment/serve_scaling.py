"""The scaling policy as Ray Serve calls it, in its controller."""

import time
from dataclasses import fields
from typing import Any

from ray.serve.config import AutoscalingContext

from forefront.cluster.routing.replica_state import ReplicaLoad
from forefront.cluster.routing.scaling import ScalingPolicy, ScalingSettings


class ServeScaling:
    """A policy class of Serve. `settings`: the fields of `ScalingSettings`."""

    def __init__(self, **settings: Any) -> None:
        self._policy = ScalingPolicy(ScalingSettings(**settings))

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """The wanted number of replicas. Serve passes the statistics of replicas by their names, then by replica."""
        metrics = context.raw_metrics or {}
        loads = []
        for replica in context.running_replicas:
            latest = {name: _latest(series.get(replica)) for name, series in metrics.items()}
            counts = {name: int(value) for name, value in latest.items() if value is not None and name in _COUNTS}
            if counts:
                loads.append(ReplicaLoad(**counts))
        waiting = int(context.total_queued_requests or 0)
        current = context.target_num_replicas
        return self._policy.target(time.monotonic(), current, loads, waiting), {}


_COUNTS = {field.name for field in fields(ReplicaLoad)} - {"retained_seconds"}


def _latest(series: Any) -> float | None:
    """The newest value of a series of points."""
    return float(series[-1].value) if series else None
