"""A replica as Ray Serve runs it: Serve manages placement, health and termination; tokens bypass it.

This module is imported in Ray's worker processes.
"""

import os
from dataclasses import fields
from typing import Any, Final

import msgspec
import ray

from forefront.cluster.protocol.connection_security import check_security, server_context
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.cluster.replica.running_replica import RunningReplica
from forefront.cluster.routing.replica_state import ReplicaLoad

# `retained_seconds` may be infinite, which Serve's statistics do not take.
_REPORTED: Final = [field.name for field in fields(ReplicaLoad) if field.name != "retained_seconds"]


class ReplicaUnhealthyError(Exception):
    """The engine makes no progress. Serve replaces the replica."""


class Replica:
    """The class of the deployment. `spec` is a `ReplicaSpec` as JSON."""

    async def __init__(self, spec: str) -> None:  # type: ignore[misc]
        self._replica = RunningReplica(msgspec.json.decode(spec, type=ReplicaSpec))
        address = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
        check_security([address], os.environ)
        await self._replica.start(address, server_context(os.environ))

    def record_replica_metadata(self) -> dict[str, Any]:
        """The data that servers need to connect, which Serve publishes."""
        identity: dict[str, Any] = msgspec.to_builtins(self._replica.identity)
        return identity

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The fields of `ReplicaLoad`, for the scaling policy in Serve's controller."""
        load = self._replica.server.load()
        return {name: float(getattr(load, name)) for name in _REPORTED}

    async def check_health(self) -> None:
        """Raises `ReplicaUnhealthyError`."""
        if not self._replica.healthy():
            raise ReplicaUnhealthyError("the engine makes no progress")

    async def wake(self) -> None:
        """Does nothing: a pending request makes the scaling policy start the first replica."""

    async def __del__(self) -> None:
        """Serve waits for it before it ends the replica."""
        await self._replica.drain()
        await self._replica.stop()
